using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Reads traces: JSONL, one service a line, <c>{"id","h0","h1","t":[first absolute second, then deltas]}</c> (other keys are ignored),
/// or CSV with the header <c>timestamp,model</c> (seconds, or dates as ISO 8601). Either may be gzipped, which its first bytes tell.
/// </summary>
internal static class TraceReader
{
    private const string Neither = "neither a JSON object with \"id\" and \"t\" nor, as the first line of a CSV, the header timestamp,model";

    /// <summary>Reads a file whole.</summary>
    /// <exception cref="TraceFormatException">A line is not what it should be, is unsorted or has a negative time; or there is no service at all.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static List<ServiceTrace> Read(string path)
    {
        using var file = !Directory.Exists(path) ? File.OpenRead(path) : throw new TraceFormatException($"{path} is a folder: give its files one by one");
        return Read(file, Path.GetFileName(path));
    }

    /// <inheritdoc cref="Read(string)"/>
    /// <param name="most">Bytes of text, unpacked, that it may have.</param>
    public static List<ServiceTrace> Read(Stream stream, string name, long most = long.MaxValue)
    {
        var zipped = stream.ReadByte() == 0x1f && stream.ReadByte() == 0x8b;
        stream.Position = 0;
        using var plain = zipped ? new GZipStream(stream, CompressionMode.Decompress) : stream;
        using var reader = new StreamReader(new BoundedStream(plain, most), Encoding.UTF8);
        var services = new List<ServiceTrace>();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        var table = default(TraceTable);
        var number = 0;
        while (ReadLine(reader, name, number) is { } line)
        {
            number++;
            if (line.Length == 0)
            {
                continue;
            }

            try
            {
                if (table is not null)
                {
                    table.Add(line);
                }
                else if (services.Count == 0 && TraceTable.IsHeader(line))
                {
                    table = new TraceTable(line);
                }
                else
                {
                    services.Add(Service(line));
                    if (!ids.Add(services[^1].Id))
                    {
                        throw new FormatException($"\"{services[^1].Id}\" is there twice: one service is one line");
                    }
                }
            }
            catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
            {
                throw new TraceFormatException($"{name}, line {number}: {(e is FormatException ? e.Message : Neither)}");
            }
        }

        if (table is not null)
        {
            services = table.Services();
        }

        return services.Count > 0 ? services : throw new TraceFormatException($"{name}: no service in it");
    }

    private static string? ReadLine(StreamReader reader, string name, int read)
    {
        try
        {
            return reader.ReadLine();
        }
        catch (InvalidDataException)
        {
            throw new TraceFormatException($"{name}, after line {read}: the gzip data is damaged");
        }
    }

    private static ServiceTrace Service(string line)
    {
        var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(line));
        string? id = null;
        double? start = null, end = null;
        double[]? arrivals = null;
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
        {
            throw new FormatException(Neither);
        }

        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var key = json.GetString();
            json.Read();
            switch (key)
            {
                case "id":
                    id = json.TokenType == JsonTokenType.String ? json.GetString() : Encoding.UTF8.GetString(json.ValueSpan);
                    break;
                case "h0":
                    start = Finite(json.GetDouble(), "h0");
                    break;
                case "h1":
                    end = Finite(json.GetDouble(), "h1");
                    break;
                case "t":
                    arrivals = Times(ref json);
                    break;
                default:
                    json.Skip();
                    break;
            }
        }

        if (json.TokenType != JsonTokenType.EndObject || json.Read())
        {
            throw new FormatException("one JSON object a line is expected");
        }

        if (string.IsNullOrEmpty(id) || arrivals is null)
        {
            throw new FormatException("\"id\" or \"t\" is missing");
        }

        var last = arrivals.Length > 0 ? arrivals[^1] : 0;
        var from = start ?? 0;
        var to = end ?? last;
        if (to < last || to < from)
        {
            throw new FormatException($"h1 = {to} is before {(to < last ? "the last arrival" : "h0")}");
        }

        return arrivals.Length > 0 && arrivals[0] < from
            ? throw new FormatException($"the first arrival, {arrivals[0]}, is before h0 = {from}")
            : new ServiceTrace(id, from, to, arrivals);
    }

    private static double[] Times(ref Utf8JsonReader json)
    {
        if (json.TokenType != JsonTokenType.StartArray)
        {
            throw new FormatException("\"t\" is not an array");
        }

        var times = new List<double>();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            var value = Finite(json.GetDouble(), "t");
            if (value < 0)
            {
                throw new FormatException(times.Count == 0 ? $"negative time {value}" : $"unsorted: the delta at position {times.Count} is {value}");
            }

            times.Add(times.Count == 0 ? value : Finite(times[^1] + value, "t"));
            if (times[^1] > TraceTable.MostSeconds)
            {
                throw new FormatException($"the time at position {times.Count - 1} is beyond the year 5000: seconds are expected, these may be milliseconds, and deltas after the first");
            }
        }

        return [.. times];
    }

    private static double Finite(double value, string name) =>
        double.IsFinite(value) ? value : throw new FormatException($"\"{name}\" is not a finite number");
}
