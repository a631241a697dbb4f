using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// A real kube-apiserver for one sandbox, where PREWARM_TEST_API_SERVER names the program that starts and stops it (<c>.ci/kube-apiserver</c>): empty but for the CRDs. Stories that have a sandbox
/// of their own cannot follow one another on one server: there are no controllers there that would take away what the one before has left.
/// </summary>
internal sealed class RealApiServer : IAsyncDisposable
{
    /// <value>Ports of one server: its own, and etcd's two.</value>
    private const int Ports = 3;
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(4);
    /// <summary>One after another: each takes both cores for as long as it reads its CRDs.</summary>
    private static readonly SemaphoreSlim s_starting = new(1);
    private static readonly string? s_program = Environment.GetEnvironmentVariable("PREWARM_TEST_API_SERVER");
    private static int s_next = 12_000 + Environment.ProcessId % 500 * 30;

    private readonly string _folder;

    private RealApiServer(string folder) => _folder = folder;

    public string Kubeconfig { get; private set; } = "";

    /// <returns>Null where no program is named.</returns>
    public static async Task<RealApiServer?> StartAsync()
    {
        if (s_program is not { Length: > 0 })
        {
            return null;
        }

        var server = new RealApiServer(Directory.CreateTempSubdirectory("kube-apiserver-").FullName);
        await s_starting.WaitAsync();
        try
        {
            server.Kubeconfig = (await RunAsync("start", server._folder, FreePort().ToString(System.Globalization.CultureInfo.InvariantCulture))).Trim();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
        finally
        {
            s_starting.Release();
        }
    }

    public async ValueTask DisposeAsync() => await RunAsync("stop", _folder);

    private static int FreePort()
    {
        while (true)
        {
            var port = Interlocked.Add(ref s_next, Ports) - Ports;
            if (Enumerable.Range(port, Ports).All(IsFree))
            {
                return port;
            }
        }
    }

    private static bool IsFree(int port)
    {
        using var listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<string> RunAsync(params string[] arguments)
    {
        // Its output goes to files: the servers that it starts would keep a pipe open.
        var output = Path.GetTempFileName();
        try
        {
            using var process = Process.Start("bash", ["-c", "out=$1; shift; \"$@\" >\"$out\" 2>\"$out.err\" </dev/null", "bash", output, s_program!, .. arguments]);
            using var limit = new CancellationTokenSource(s_limit, TimeProvider.System);
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? await File.ReadAllTextAsync(output, limit.Token)
                : throw new InvalidOperationException($"{s_program} {string.Join(' ', arguments)}: {await File.ReadAllTextAsync(output + ".err", limit.Token)}");
        }
        finally
        {
            File.Delete(output);
            File.Delete(output + ".err");
        }
    }
}
