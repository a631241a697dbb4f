using System.Text;
using System.Text.Json;

namespace Prewarm.Functions.Prewarm;

/// <summary>A line of a JSONL trace: <c>{"id","h0","h1","t":[first absolute second, then deltas]}</c>, other keys ignored.</summary>
internal static class TraceLine
{
    public const string Neither = "neither a JSON object with \"id\" and \"t\" nor, as the first line of a CSV, the header timestamp,model";

    // No service is silent for so long between two calls; in absolute times the second one is some 50 years.
    private const double LongestDelta = 10 * 365.25 * 86400;

    /// <exception cref="FormatException">It is no such line; the message names the field, what it holds and the fix.</exception>
    public static ServiceTrace Read(string line)
    {
        try
        {
            return Service(line);
        }
        catch (JsonException e) when (line.TrimStart().StartsWith('{'))
        {
            throw new FormatException($"no valid JSON at byte {e.BytePositionInLine}: write one object a line, {{\"id\":\"a\",\"h0\":0,\"h1\":900,\"t\":[5,60]}}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException(Neither, e);
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
                    id = json.TokenType switch
                    {
                        JsonTokenType.String => json.GetString(),
                        JsonTokenType.Number => Encoding.UTF8.GetString(json.ValueSpan),
                        _ => throw new FormatException($"\"id\" is {Said(json)}: give the service's name as text"),
                    };
                    break;
                case "h0":
                    start = Seconds(json, key);
                    break;
                case "h1":
                    end = Seconds(json, key);
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
            throw new FormatException($"h1 = {to} is before {(to < last ? $"the last arrival, {last}: is \"t\" the first second and then deltas?" : "h0")}");
        }

        return arrivals.Length > 0 && arrivals[0] < from
            ? throw new FormatException($"the first arrival, {arrivals[0]}, is before h0 = {from}")
            : new ServiceTrace(id, from, to, arrivals);
    }

    private static double Seconds(in Utf8JsonReader json, string field) =>
        json.TokenType == JsonTokenType.Number ? Finite(json.GetDouble(), field)
            : throw new FormatException($"\"{field}\" is {Said(json)}: give seconds as a number, or leave it out");

    private static double[] Times(ref Utf8JsonReader json)
    {
        if (json.TokenType != JsonTokenType.StartArray)
        {
            throw new FormatException($"\"t\" is {Said(json)}, not an array: give [first second, then deltas]");
        }

        var times = new List<double>();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            var value = json.TokenType == JsonTokenType.Number ? Finite(json.GetDouble(), "t")
                : throw new FormatException($"\"t\" has {Said(json)} at position {times.Count}: give seconds as numbers, [first second, then deltas]");
            if (value < 0)
            {
                throw new FormatException(times.Count == 0 ? $"negative time {value}" : $"unsorted: the delta at position {times.Count} is {value}");
            }

            if (times.Count > 0 && value > LongestDelta)
            {
                throw new FormatException($"\"t\" has {value} at position {times.Count}, a delta of more than 10 years: give the first absolute second and then the seconds between two calls, not absolute times");
            }

            times.Add(times.Count == 0 ? value : Finite(times[^1] + value, "t"));
            if (times[^1] > TraceTable.MostSeconds)
            {
                throw new FormatException($"the time at position {times.Count - 1} is beyond the year 5000: seconds are expected, these may be milliseconds, and deltas after the first");
            }
        }

        return [.. times];
    }

    private static string Said(in Utf8JsonReader json) => json.TokenType switch
    {
        JsonTokenType.String => $"the text \"{TraceTable.Short(json.GetString()!)}\"",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.StartObject => "an object",
        _ => Encoding.UTF8.GetString(json.ValueSpan),
    };

    private static double Finite(double value, string name) =>
        double.IsFinite(value) ? value : throw new FormatException($"\"{name}\" is not a finite number");
}
