using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>Keeps a fixed number of connections busy by bare sockets, one request after the other on each.</summary>
internal static class Load
{
    /// <summary>Whole requests, and for each how long it took; in the stream scenario for each token.</summary>
    public sealed record Result(int Requests, double Seconds, double[] Milliseconds)
    {
        public double Percentile(double share) => Milliseconds.Length == 0 ? 0 : Milliseconds[(int)Math.Min(Milliseconds.Length - 1, share * Milliseconds.Length)];
    }

    public static async Task<Result> RunAsync(Uri to, string scenario, int connections, TimeSpan time)
    {
        var request = Payloads.Request(scenario);
        var began = TimeProvider.System.GetTimestamp();
        var each = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(() => ConnectionAsync(to, request, scenario == "stream", time))));
        var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        var all = each.SelectMany(e => e.Times).ToArray();
        Array.Sort(all);
        return new(each.Sum(e => e.Requests), seconds, all);
    }

    private static async Task<(int Requests, List<double> Times)> ConnectionAsync(Uri to, byte[] request, bool stream, TimeSpan time)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(to.Host, to.Port);
        var buffer = new byte[128 << 10];
        var times = new List<double>(1 << 14);
        var requests = 0;
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < time)
        {
            var sent = TimeProvider.System.GetTimestamp();
            await socket.SendAsync(request);
            if (stream)
            {
                await ReadStreamAsync(socket, buffer, times);
            }
            else
            {
                await ReadAnswerAsync(socket, buffer);
                times.Add(TimeProvider.System.GetElapsedTime(sent).TotalMilliseconds);
            }

            requests++;
        }

        return (requests, times);
    }

    private static async Task ReadAnswerAsync(Socket socket, byte[] buffer)
    {
        var filled = 0;
        var whole = int.MaxValue;
        while (filled < whole)
        {
            filled += await ReceiveAsync(socket, buffer.AsMemory(filled));
            if (whole == int.MaxValue && buffer.AsSpan(0, filled).IndexOf("\r\n\r\n"u8) is >= 0 and var end)
            {
                var head = Encoding.ASCII.GetString(buffer, 0, end + 2);
                if (!head.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
                {
                    throw new InvalidOperationException(Encoding.ASCII.GetString(buffer, 0, filled));
                }

                const string length = "Content-Length: ";
                var at = head.IndexOf(length, StringComparison.OrdinalIgnoreCase) + length.Length;
                whole = end + 4 + int.Parse(head.AsSpan(at, head.IndexOf('\r', at) - at), CultureInfo.InvariantCulture);
            }
        }
    }

    /// <summary>Each token tells when it was written; both clocks are this process's.</summary>
    private static async Task ReadStreamAsync(Socket socket, byte[] buffer, List<double> times)
    {
        var (filled, looked, tokens) = (0, 0, 0);
        while (true)
        {
            filled += await ReceiveAsync(socket, buffer.AsMemory(filled));
            var now = TimeProvider.System.GetTimestamp();
            while (buffer.AsSpan(looked, filled - looked).IndexOf("data: "u8) is >= 0 and var at && looked + at + Payloads.TokenLength <= filled)
            {
                var written = long.Parse(buffer.AsSpan(looked + at + 6, 18), CultureInfo.InvariantCulture);
                times.Add(TimeProvider.System.GetElapsedTime(written, now).TotalMilliseconds);
                looked += at + Payloads.TokenLength;
                tokens++;
            }

            if (buffer.AsSpan(0, filled).EndsWith("\r\n0\r\n\r\n"u8))
            {
                if (tokens != Payloads.Tokens)
                {
                    throw new InvalidOperationException($"{tokens} tokens of {Payloads.Tokens} came");
                }

                return;
            }
        }
    }

    private static async Task<int> ReceiveAsync(Socket socket, Memory<byte> buffer) =>
        await socket.ReceiveAsync(buffer) is > 0 and var read ? read : throw new InvalidOperationException("the connection closed in an answer");
}
