using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Prewarm.Tests.Benchmarks.Running;

namespace Prewarm.Tests.Benchmarks.Startup;

/// <summary>Starts a program once and measures it from outside.</summary>
internal static class StartupRun
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(1);

    public static async Task<StartupReading> MeasureAsync(Contender contender, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var port = FreePort();
        var managed = contender.Program.EndsWith(".dll", StringComparison.Ordinal);
        var start = new ProcessStartInfo(managed ? "dotnet" : contender.Program, managed ? [contender.Program] : [])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = contender.Folder,
        };
        foreach (var (name, value) in contender.Environment)
        {
            start.Environment[name] = value;
        }

        start.Environment["PORT"] = port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        start.Environment["DOTNET_EnableDiagnostics"] = "0"; // as the manifests have it
        var began = time.GetTimestamp();
        using var process = Process.Start(start)!;
        process.OutputDataReceived += static (_, _) => { };
        process.ErrorDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            using var limit = new CancellationTokenSource(Limit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            await UntilAsync(port, "/healthz", either.Token);
            var first = time.GetElapsedTime(began).TotalMilliseconds;
            var cpu = ProcessReadings.CpuMs(process.Id);
            var answered = time.GetTimestamp();
            double? ready = null;
            if (contender.Ready)
            {
                await UntilAsync(port, "/readyz", either.Token);
                ready = time.GetElapsedTime(began).TotalMilliseconds;
            }

            var rest = Settled - time.GetElapsedTime(answered);
            await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, time, cancellationToken);
            return new(first, cpu, ready, ProcessReadings.ResidentMiB(process.Id));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>Asks every millisecond. A plain socket: an HTTP client's own first request would be part of what is measured.</summary>
    private static async Task UntilAsync(int port, string path, CancellationToken cancellationToken)
    {
        var request = Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        var answer = new byte[4096];
        while (true)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancellationToken);
                await socket.SendAsync(request, cancellationToken);
                var length = 0;
                for (int read; length < answer.Length && (read = await socket.ReceiveAsync(answer.AsMemory(length), cancellationToken)) > 0;)
                {
                    length += read;
                }

                if (Encoding.ASCII.GetString(answer, 0, length).StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
                {
                    return;
                }
            }
            catch (SocketException)
            {
                // It does not listen yet.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, cancellationToken);
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
