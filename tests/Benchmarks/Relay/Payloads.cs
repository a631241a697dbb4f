using System.Globalization;
using System.Text;

namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>What is asked and answered in each scenario.</summary>
internal static class Payloads
{
    public const string Path = "/v1/models/bloom:predict";
    public const int Tokens = 40;
    public const int TokenLength = 26;

    public static readonly string[] Scenarios = ["1 KB", "64 KB", "stream"];

    public static readonly byte[] Small = Json(1024);
    public static readonly byte[] Large = Json(64 << 10);

    /// <summary>The request as bytes: 1 KB of JSON.</summary>
    public static byte[] Request(string scenario)
    {
        var head = string.Create(CultureInfo.InvariantCulture,
            $"POST {Path}?kind={scenario.Replace(" ", "", StringComparison.Ordinal)} HTTP/1.1\r\nHost: relay.example.com\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {Small.Length}\r\n\r\n");
        return [.. Encoding.ASCII.GetBytes(head), .. Small];
    }

    /// <summary>One event with the time at which it was written.</summary>
    public static byte[] Token(long timestamp) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"data: {timestamp:000000000000000000}\n\n"));

    private static byte[] Json(int length)
    {
        const string start = "{\"predictions\":[\"", end = "\"]}";
        return Encoding.ASCII.GetBytes(start + new string('x', length - start.Length - end.Length) + end);
    }
}
