using Microsoft.Extensions.Configuration;

namespace Prewarm.Functions.Prewarm;

/// <summary>Where calls that pass no relay are counted (<c>Prewarm__Prometheus__…</c>).</summary>
internal sealed class PrometheusOptions
{
    /// <summary>Characters of a query: it stands in a URL.</summary>
    public const int MostQuery = 4096;

    /// <value>URL of a server with Prometheus' HTTP API (<c>Address</c>). Default: none, and nothing is asked.</value>
    public Uri? Address { get; set; }

    /// <value>PromQL, or <c>istio</c> or <c>queue-proxy</c> for one of ours (<c>Query</c>). Default: istio.</value>
    public string Query { get; set; } = PrometheusQuery.Istio;

    /// <value>File with a bearer token, read again for every question (<c>BearerTokenFile</c>). Default: none.</value>
    public string? BearerTokenFile { get; set; }

    /// <value>PEM file with the CAs that an https address's certificate may come from (<c>CaFile</c>). Default: the machine's.</value>
    public string? CaFile { get; set; }

    /// <summary>Where it is, without what a path or a query may hold of secrets.</summary>
    public string Name => Address is null ? "" : $"{Address.Scheme}://{Address.Authority}";

    /// <exception cref="FormatException">A setting cannot be; the message names the key and the fix, and no value that may be secret.</exception>
    public static PrometheusOptions Read(IConfiguration configuration)
    {
        const string section = "Prewarm:Prometheus:";
        const string said = "Prewarm__Prometheus__";
        var options = new PrometheusOptions
        {
            BearerTokenFile = Text(configuration[section + "BearerTokenFile"]),
            CaFile = Text(configuration[section + "CaFile"]),
            Query = PrometheusQuery.Named(Text(configuration[section + "Query"]) ?? "istio"),
        };
        if (Text(configuration[section + "Address"]) is not { } address)
        {
            return options;
        }

        options.Address = Uri.TryCreate(address, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Query.Length == 0 && url.Fragment.Length == 0 ? url
            : throw new FormatException($"{said}Address is no http(s) URL without a query: write it as http://prometheus.monitoring:9090");
        return url.UserInfo.Length > 0 ? throw new FormatException($"{said}Address holds a user or password: put a token into a file and name it in {said}BearerTokenFile")
            : options.Query.Length > MostQuery ? throw new FormatException($"{said}Query has {options.Query.Length} characters: at most {MostQuery} go into a URL; record it as a rule and ask for that")
            : options.CaFile is not null && url.Scheme != "https" ? throw new FormatException($"{said}CaFile is set, but {said}Address is not https")
            : options.CaFile is not null && !File.Exists(options.CaFile) ? throw new FormatException($"{said}CaFile is '{options.CaFile}', which does not exist: give a PEM file")
            : options;
    }

    private static string? Text(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
