using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;

namespace Prewarm.Functions.Prewarm;

/// <summary>Asks a Prometheus for a query at the ends of minutes. Bounded in time and bytes; whatever goes wrong is an answer.</summary>
internal sealed class PrometheusClient(HttpClient http, PrometheusOptions options, TimeProvider time)
{
    public const int MostBytes = 16 << 20;
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private const int MostToken = 16 << 10;

    /// <summary>Connections to this address and nothing else: no proxy, no redirect, and no packed answer that would unpack to more than is read.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The CA file holds no certificate.</exception>
    public static HttpClient Connections(PrometheusOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        };
        if (options.CaFile is { } file)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(file);
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        return new(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <param name="first">The first minute's number since 1970.</param>
    /// <param name="last">The last one's; the values at a minute's end are the minute's.</param>
    public async Task<PrometheusAnswer> AskAsync(long first, long last, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        string? token = null;
        try
        {
            token = options.BearerTokenFile is { } file ? await TokenAsync(file, either.Token) : null;
            using var request = new HttpRequestMessage(HttpMethod.Get, Address(first, last));
            request.Headers.Accept.ParseAdd("application/json");
            request.Headers.UserAgent.ParseAdd("prewarm-tick");
            request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return Told(await ReadAsync(response, either.Token), token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return Told(PrometheusAnswer.No(PrometheusResult.Unreachable, PrometheusAnswerReader.Short(e.Message)), token);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or FormatException)
        {
            return PrometheusAnswer.No(PrometheusResult.Unreachable, $"the bearer token cannot be read from {options.BearerTokenFile}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return PrometheusAnswer.No(PrometheusResult.TimedOut, $"no whole answer in {Limit.TotalSeconds:0} s");
        }
    }

    private static async Task<PrometheusAnswer> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var bytes = new MemoryStream();
        var part = new byte[16 << 10];
        int read;
        while ((read = await stream.ReadAsync(part, cancellationToken)) > 0)
        {
            if (bytes.Length + read > MostBytes)
            {
                return PrometheusAnswer.No(PrometheusResult.TooLarge, $"its answer is longer than {MostBytes >> 20} MiB: sum the series by namespace and revision");
            }

            bytes.Write(part, 0, read);
        }

        var answer = PrometheusAnswerReader.Read(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        // An error of the query comes with 400 or 422 and says what is wrong with it; a login page or a mesh's refusal says nothing.
        return response.StatusCode == HttpStatusCode.OK ? answer
            : PrometheusAnswer.No(PrometheusResult.Refused, answer.Result == PrometheusResult.Refused ? $"it answered {(int)response.StatusCode}: {answer.Message}" : $"it answered {(int)response.StatusCode}");
    }

    /// <summary>A server that sends the token back must not bring it into the log.</summary>
    private static PrometheusAnswer Told(PrometheusAnswer answer, string? token) =>
        token is { Length: > 0 } && answer.Message.Contains(token, StringComparison.Ordinal) ? answer with { Message = answer.Message.Replace(token, "…", StringComparison.Ordinal) } : answer;

    private static async Task<string> TokenAsync(string file, CancellationToken cancellationToken)
    {
        await using var stream = File.OpenRead(file);
        var bytes = new byte[MostToken];
        var read = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        var token = System.Text.Encoding.UTF8.GetString(bytes, 0, read).Trim();
        return token.Length > 0 && token.All(c => c is > ' ' and < (char)127) ? token : throw new FormatException("it holds no token");
    }

    private Uri Address(long first, long last) => new(string.Create(CultureInfo.InvariantCulture,
        $"{options.Address!.AbsoluteUri.TrimEnd('/')}/api/v1/query_range?query={Uri.EscapeDataString(options.Query)}&start={(first + 1) * 60}&end={(last + 1) * 60}&step=60&timeout={Limit.TotalSeconds:0}s"));
}
