using Microsoft.Extensions.Configuration;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>One examination with this process's settings.</summary>
internal sealed class DoctorClient(IKubeApi api, IServerDiscovery discovery, IConfiguration configuration, TimeProvider time) : IDisposable
{
    /// <summary>Minutes: in the last one nobody may have called.</summary>
    private const int LookBack = 60;

    private readonly HttpClient _stores = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5) });

    /// <param name="serving">False: this is somebody's terminal, and the token and the gateway of this process say nothing.</param>
    public async Task<DoctorReport> ReportAsync(bool serving, CancellationToken cancellationToken)
    {
        using var examination = new ClusterExamination(api, discovery, _stores, Settings(configuration, serving), time, configuration["Prewarm:Prometheus:Address"] is { Length: > 0 } ? CountedAsync : null);
        return Diagnosis.Of(await examination.ExamineAsync(cancellationToken));
    }

    public void Dispose() => _stores.Dispose();

    /// <summary>The last minutes as the prewarmer would ask for them.</summary>
    private async Task<PrometheusAnswer> CountedAsync(CancellationToken cancellationToken)
    {
        try
        {
            var options = PrometheusOptions.Read(configuration);
            using var http = PrometheusClient.Connections(options);
            var last = ((time.GetUtcNow() - PrometheusSource.Lag).ToUnixTimeSeconds() / 60) - 1;
            return await new PrometheusClient(http, options, time).AskAsync(last - LookBack + 1, last, cancellationToken);
        }
        catch (Exception e) when (e is FormatException or System.Security.Cryptography.CryptographicException)
        {
            return PrometheusAnswer.No(PrometheusResult.Unreachable, e.Message);
        }
    }

    private static DoctorSettings Settings(IConfiguration configuration, bool serving) => new(
        serving,
        configuration["Events:Token"] is { Length: > 0 },
        configuration["Gateway:Address"],
        double.TryParse(configuration["Gateway:ActivityTimeoutSeconds"], System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var seconds) ? seconds : new Relay.RelayOptions().ActivityTimeout.TotalSeconds,
        CatalogOptions.Parse(configuration["Doctor:Functions"] ?? configuration["FUNCTIONS"]),
        CatalogOptions.Parse(configuration["PREWARM_NAMESPACES"]),
        configuration["Doctor:Namespace"] is { Length: > 0 } own ? own : "prewarm-system");
}
