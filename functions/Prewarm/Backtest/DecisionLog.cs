using System.IO.Compression;
using System.Text.Json;

namespace Prewarm.Functions.Prewarm;

/// <summary>Writes each decision as a line, so that anyone can recompute a score: <c>{"policy","setting","id","at","windows":[[start,end],…]}</c>.</summary>
internal sealed class DecisionLog : IDisposable
{
    private readonly Lock gate = new();
    private readonly Stream stream;
    private readonly Utf8JsonWriter json;

    public DecisionLog(Stream file, bool zipped)
    {
        stream = new BufferedStream(zipped ? new GZipStream(file, CompressionLevel.Fastest) : file, 1 << 16);
        json = new Utf8JsonWriter(stream);
    }

    /// <param name="at">Absolute seconds; the windows are relative to it.</param>
    public void Write(PolicyScore score, string id, double at, ReadOnlySpan<ReadyWindow> windows)
    {
        lock (gate)
        {
            json.WriteStartObject();
            json.WriteString("policy", score.Policy);
            json.WriteString("setting", score.Setting);
            json.WriteString("id", id);
            json.WriteNumber("at", at);
            json.WriteStartArray("windows");
            foreach (var window in windows)
            {
                json.WriteStartArray();
                json.WriteNumberValue(window.Start);
                json.WriteNumberValue(window.End);
                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteEndObject();
            json.Flush();
            json.Reset();
            stream.WriteByte((byte)'\n');
        }
    }

    public void Dispose()
    {
        json.Dispose();
        stream.Dispose();
    }
}
