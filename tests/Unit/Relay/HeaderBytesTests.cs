using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>Header values that are no ASCII, on the wire before and behind the relay.</summary>
public sealed class HeaderBytesTests
{
    /// <summary>Bytes as the letters that Latin-1 has for them.</summary>
    private static readonly string s_utf8 = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes("Zoë 王 🌻"));

    [Fact]
    public async Task Values_InBothDirections_ArriveByteForByte()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        // The second is Latin-1, which some servers write still.
        var gateway = AnswerAsync(listener, $"HTTP/1.1 200 OK\r\nX-Model: {s_utf8}\r\nX-Old: caf\u00e9\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        await using var world = new RelayWorld();
        await world.RelayAsync($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", RelayRouterTests.Model("default", "bloom"));
        var answer = await RoutesWorld.RawAsync(world.Relay, $"GET /v1/models/bloom HTTP/1.1\r\nHost: x\r\nX-User: {s_utf8}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.Contains($"\r\nX-User: {s_utf8}\r\n", await gateway.WaitAsync(RelayWorld.Limit), StringComparison.Ordinal);
        Assert.Contains($"\r\nX-Model: {s_utf8}\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Old: caf\u00e9\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_WithBytesThatAreNoUtf8_Is400()
    {
        await using var world = await RelayWorld.StartAsync();
        Assert.StartsWith("HTTP/1.1 400 ", await RoutesWorld.RawAsync(world.Relay, "GET /v1/models/bloom HTTP/1.1\r\nHost: x\r\nX-User: caf\u00e9\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    /// <summary>Answers one request without a body; returns it.</summary>
    private static async Task<string> AnswerAsync(TcpListener listener, string answer)
    {
        using var client = await listener.AcceptTcpClientAsync();
        var stream = client.GetStream();
        var (buffer, text) = (new byte[4096], "");
        while (!text.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            text += Encoding.Latin1.GetString(buffer, 0, await stream.ReadAsync(buffer));
        }

        await stream.WriteAsync(Encoding.Latin1.GetBytes(answer));
        return text;
    }
}
