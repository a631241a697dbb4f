using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Prewarm.Tests.Unit.ObjectStore;

/// <summary>A way to a store that is slow or breaks: a TCP proxy on loopback that does to each connection what a test says.</summary>
internal sealed class FaultyLink : IAsyncDisposable
{
    private const int Piece = 16 * 1024;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Uri _store;
    private readonly Task _accepting;
    private int _requests;

    public FaultyLink(Uri store)
    {
        _store = store;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Endpoint => new($"http://{_listener.LocalEndpoint}");

    /// <summary>Requests that came, each try of them.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>What happens to the request with this number, from 1.</summary>
    public Func<int, LinkFault> Fault { get; set; } = _ => LinkFault.None;

    /// <summary>Changes the head of an answer.</summary>
    public Func<string, string> Head { get; set; } = h => h;

    public async ValueTask DisposeAsync()
    {
        // Stopped after it has ended: one that is about to accept would say that nobody has started it.
        await _stop.CancelAsync();
        await _accepting;
        _listener.Stop();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                open.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(open);
        }
    }

    // One request to a connection: the answer says close, so that what happens to a request happens to no other.
    private async Task ServeAsync(TcpClient near)
    {
        using (near)
        {
            try
            {
                var from = near.GetStream();
                var request = await HeadAsync(from);
                if (request.Length == 0)
                {
                    return;
                }

                var fault = Fault(Interlocked.Increment(ref _requests));
                if (fault.Answer is { } answer)
                {
                    await from.WriteAsync(Encoding.ASCII.GetBytes(answer), _stop.Token);
                    return;
                }

                if (fault.AfterBytes < 0)
                {
                    await BreakAsync(near, fault);
                    return;
                }

                using var far = new TcpClient();
                await far.ConnectAsync(_store.Host, _store.Port, _stop.Token);
                var to = far.GetStream();
                await to.WriteAsync(Encoding.Latin1.GetBytes(request.Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", StringComparison.Ordinal)), _stop.Token);
                var head = Head(await HeadAsync(to));
                head = head.Contains("Connection: close", StringComparison.OrdinalIgnoreCase) ? head : head.Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", StringComparison.Ordinal);
                await from.WriteAsync(Encoding.Latin1.GetBytes(head), _stop.Token);
                await BodyAsync(near, to, fault);
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // One of the two ends has gone.
            }
        }
    }

    private async Task BodyAsync(TcpClient near, NetworkStream to, LinkFault fault)
    {
        var from = near.GetStream();
        var piece = new byte[fault.BytesPerTenth is > 0 and < Piece ? fault.BytesPerTenth : Piece];
        long passed = 0;
        for (int read; (read = await to.ReadAsync(piece, _stop.Token)) > 0; passed += read)
        {
            if (fault.Kind != Ending.None && passed + read > fault.AfterBytes)
            {
                await from.WriteAsync(piece.AsMemory(0, (int)(fault.AfterBytes - passed)), _stop.Token);
                await BreakAsync(near, fault);
                return;
            }

            await from.WriteAsync(piece.AsMemory(0, read), _stop.Token);
            if (fault.BytesPerTenth > 0)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, _stop.Token);
            }
        }
    }

    private async Task BreakAsync(TcpClient near, LinkFault fault)
    {
        if (fault.Kind == Ending.Stall)
        {
            // Until the other side gives up.
            _ = await near.GetStream().ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, _stop.Token);
        }
        else if (fault.Kind == Ending.Reset)
        {
            near.Client.LingerState = new(true, 0);
        }
    }

    private async Task<string> HeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one, _stop.Token) > 0)
        {
            head.Append((char)one[0]);
        }

        return head.ToString();
    }
}

internal enum Ending
{
    None,

    /// <summary>Nothing more comes, and the connection stays.</summary>
    Stall,

    /// <summary>RST.</summary>
    Reset,

    /// <summary>FIN, before the whole has come.</summary>
    Close,
}

/// <param name="AfterBytes">Of the body; below 0: before the answer begins.</param>
/// <param name="BytesPerTenth">Of the body in each tenth of a second; 0: as fast as it comes.</param>
/// <param name="Answer">Sent in place of the store's answer.</param>
internal sealed record LinkFault(Ending Kind, long AfterBytes = 0, int BytesPerTenth = 0, string? Answer = null)
{
    public static LinkFault None { get; } = new(Ending.None);
}
