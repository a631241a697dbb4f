using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Debian's Prometheus on a loopback port, with a storage of its own; ended by its id. Without the program a test is skipped and says so.</summary>
internal sealed class RealPrometheus : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("prometheus-");
    private readonly List<string> _lines = [];
    private Process? _server;

    public Uri Address { get; private set; } = new("http://127.0.0.1");

    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false });

    /// <param name="past">Series in the OpenMetrics format with their times, put into the storage before the start.</param>
    /// <param name="scrape">host:port of what it is to scrape once a second; null: nothing.</param>
    public static async Task<RealPrometheus> StartAsync(string? past, string? scrape, CancellationToken cancellationToken)
    {
        var (server, tool) = (Find("prometheus"), Find("promtool"));
        Assert.SkipWhen(server is null || tool is null, "prometheus is not on the PATH (apt-get install -y --no-install-recommends prometheus)");
        var prometheus = new RealPrometheus();
        try
        {
            await prometheus.RunAsync(server!, tool!, past, scrape, cancellationToken);
            return prometheus;
        }
        catch
        {
            await prometheus.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (_server is { } server)
        {
            if (!server.HasExited)
            {
                server.Kill();
                await server.WaitForExitAsync();
            }

            server.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    private async Task RunAsync(string server, string tool, string? past, string? scrape, CancellationToken cancellationToken)
    {
        var (data, config) = (Path.Combine(_folder.FullName, "data"), Path.Combine(_folder.FullName, "prometheus.yml"));
        if (past is not null)
        {
            var file = Path.Combine(_folder.FullName, "past");
            await File.WriteAllTextAsync(file, past, cancellationToken);
            using var made = Process.Start(new ProcessStartInfo(tool, ["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h", file, data]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (output, errors) = (made.StandardOutput.ReadToEndAsync(cancellationToken), made.StandardError.ReadToEndAsync(cancellationToken));
            await made.WaitForExitAsync(cancellationToken);
            Assert.True(made.ExitCode == 0, await output + await errors);
        }

        await File.WriteAllTextAsync(config, scrape is null ? "{}" : $$"""{"global":{"scrape_interval":"1s","scrape_timeout":"1s"},"scrape_configs":[{"job_name":"gateway","static_configs":[{"targets":["{{scrape}}"]}]}]}""", cancellationToken);
        var port = FreePort();
        Address = new($"http://127.0.0.1:{port}");
        _server = Process.Start(new ProcessStartInfo(server,
            [$"--config.file={config}", $"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y", string.Create(CultureInfo.InvariantCulture, $"--web.listen-address=127.0.0.1:{port}"), "--log.level=warn"])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _server.OutputDataReceived += (_, line) => Keep(line.Data);
        _server.ErrorDataReceived += (_, line) => Keep(line.Data);
        _server.BeginOutputReadLine();
        _server.BeginErrorReadLine();
        while (!await ReadyAsync(cancellationToken))
        {
            Assert.False(_server.HasExited, Said());
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
        }
    }

    private async Task<bool> ReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await Http.GetAsync(new Uri(Address, "/-/ready"), cancellationToken);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private void Keep(string? line)
    {
        lock (_lines)
        {
            _lines.Add(line ?? "");
        }
    }

    private string Said()
    {
        lock (_lines)
        {
            return string.Join('\n', _lines);
        }
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(p => Path.Combine(p, program)).FirstOrDefault(File.Exists);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
