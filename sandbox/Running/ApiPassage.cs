using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Prewarm.Sandbox.Running;

/// <summary>
/// A loopback port that leads to an API server of somebody else's: bytes as they come, so that TLS and whom the certificate names stay the server's. While a file is there it leads nowhere, and what
/// has come through before breaks off: so the server is away for those who come this way, and for nobody else.
/// </summary>
internal sealed class ApiPassage : IAsyncDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<TcpClient, bool> _open = new();
    private readonly ConcurrentDictionary<Task, bool> _running = new();
    private readonly Uri _server;
    private readonly string _awayFile;
    private readonly Task _loops;

    /// <param name="server">Its certificate has to name 127.0.0.1.</param>
    public ApiPassage(Uri server, string awayFile, TimeProvider time)
    {
        (_server, _awayFile) = (server, awayFile);
        _listener.Start();
        Address = new($"https://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _loops = Task.WhenAll(AcceptAsync(), BreakAsync(time));
    }

    public Uri Address { get; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        Break();
        await _loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_running.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var client = await _listener.AcceptTcpClientAsync(_stop.Token);
            var passes = PassAsync(client);
            _running[passes] = true;
            _ = passes.ContinueWith(p => _running.TryRemove(p, out var _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task PassAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        using (client)
        {
            client.NoDelay = true;
            (_open[client], _open[server]) = (true, true);
            try
            {
                if (File.Exists(_awayFile))
                {
                    return;
                }

                await server.ConnectAsync(_server.Host, _server.Port, _stop.Token);
                await Task.WhenAny(client.GetStream().CopyToAsync(server.GetStream(), _stop.Token), server.GetStream().CopyToAsync(client.GetStream(), _stop.Token));
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
            {
                // One side has gone, or the server is away.
            }
            finally
            {
                _open.TryRemove(client, out _);
                _open.TryRemove(server, out _);
            }
        }
    }

    private async Task BreakAsync(TimeProvider time)
    {
        while (!_stop.IsCancellationRequested)
        {
            if (File.Exists(_awayFile))
            {
                Break();
            }

            await Task.Delay(s_look, time, _stop.Token);
        }
    }

    private void Break()
    {
        foreach (var side in _open.Keys)
        {
            side.Close();
        }
    }
}
