using System.Globalization;
using System.Text.Json;

namespace Prewarm.Functions.Prewarm;

/// <summary>Reads what <c>/api/v1/query_range</c> answers (prometheus.io "HTTP API": expression queries), pure. What it does not know it passes over; what is no matrix is unreadable.</summary>
internal static class PrometheusAnswerReader
{
    /// <summary>Series of one answer: more than models that one prewarmer is made for.</summary>
    public const int MostSeries = 10_000;

    /// <summary>Calls of one minute that are believed, as of a report.</summary>
    private const int MostCount = 10_000_000;

    private const int MostMessage = 200;

    public static PrometheusAnswer Read(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var found = new Found();
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return PrometheusAnswer.No(PrometheusResult.Unreadable, "its answer is no JSON object");
            }

            while (Name(ref reader) is { } name)
            {
                switch (name)
                {
                    case "status": found.Status = Text(ref reader); break;
                    case "error": found.Error = Text(ref reader); break;
                    case "warnings": found.Warning = FirstText(ref reader) ?? found.Warning; break;
                    case "data": Data(ref reader, ref found); break;
                    default: reader.Skip(); break;
                }
            }

            // What comes after the object, and an object that ends too early, is an error here.
            while (reader.Read())
            {
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return PrometheusAnswer.No(PrometheusResult.Unreadable, "its answer is no JSON of a query");
        }

        return found.Status != "success" ? PrometheusAnswer.No(found.Status == "error" ? PrometheusResult.Refused : PrometheusResult.Unreadable, Short(found.Error ?? "its answer has no status \"success\""))
            : found.Type != "matrix" ? PrometheusAnswer.No(PrometheusResult.Unreadable, "its answer holds no matrix")
            : found.Many ? PrometheusAnswer.No(PrometheusResult.TooManySeries, $"its answer has more than {MostSeries} series: sum them by namespace and revision")
            : new(found.Warning is null ? PrometheusResult.Read : PrometheusResult.Partial, found.Series, found.Warning is { } warning ? Short(warning) : "", found.Odd);
    }

    /// <summary>As a line of a log may have it.</summary>
    public static string Short(string text)
    {
        var line = string.Concat(text.Take(MostMessage).Select(c => char.IsControl(c) ? ' ' : c));
        return text.Length > MostMessage ? line + "…" : line;
    }

    private static void Data(ref Utf8JsonReader reader, ref Found found)
    {
        if (!Begins(ref reader, JsonTokenType.StartObject))
        {
            return;
        }

        while (Name(ref reader) is { } name)
        {
            if (name == "resultType")
            {
                found.Type = Text(ref reader);
            }
            else if (name == "result" && Begins(ref reader, JsonTokenType.StartArray))
            {
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    Series(ref reader, ref found);
                }
            }
            else if (name != "result")
            {
                reader.Skip();
            }
        }
    }

    /// <summary>At the beginning of one.</summary>
    private static void Series(ref Utf8JsonReader reader, ref Found found)
    {
        found.Many |= found.Series.Count == MostSeries;
        if (reader.TokenType != JsonTokenType.StartObject || found.Many)
        {
            reader.Skip();
            return;
        }

        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        var points = new List<(double, int)>();
        while (Name(ref reader) is { } name)
        {
            if (name == "metric" && Begins(ref reader, JsonTokenType.StartObject))
            {
                while (Name(ref reader) is { } label)
                {
                    labels[label] = Text(ref reader) ?? "";
                }
            }
            else if (name == "values" && Begins(ref reader, JsonTokenType.StartArray))
            {
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    Point(ref reader, points, ref found);
                }
            }
            else if (name == "histograms")
            {
                found.Odd++;
                reader.Skip();
            }
            else if (name is not ("metric" or "values"))
            {
                reader.Skip();
            }
        }

        found.Series.Add(new(labels, points));
    }

    /// <summary><c>[1435781430.781, "1"]</c>.</summary>
    private static void Point(ref Utf8JsonReader reader, List<(double At, int Count)> points, ref Found found)
    {
        double? at = null, value = null;
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.Number when at is null: at = reader.GetDouble(); break;
                    case JsonTokenType.String when double.TryParse(reader.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number): value ??= number; break;
                    default: reader.Skip(); break;
                }
            }
        }
        else
        {
            reader.Skip();
        }

        if (at is { } seconds && value is >= 0 and <= MostCount)
        {
            points.Add((seconds, (int)Math.Round(value.Value, MidpointRounding.AwayFromZero)));
        }
        else
        {
            found.Odd++;
        }
    }

    /// <summary>The next name inside an object, with the reader on its value; null at the object's end.</summary>
    private static string? Name(ref Utf8JsonReader reader)
    {
        if (!reader.Read())
        {
            throw new JsonException();
        }

        if (reader.TokenType == JsonTokenType.EndObject)
        {
            return null;
        }

        var name = reader.GetString();
        reader.Read();
        return name;
    }

    /// <summary>The value is what it should be; anything else is passed over.</summary>
    private static bool Begins(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (reader.TokenType == type)
        {
            return true;
        }

        reader.Skip();
        return false;
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return reader.GetString();
        }

        reader.Skip();
        return null;
    }

    private static string? FirstText(ref Utf8JsonReader reader)
    {
        if (!Begins(ref reader, JsonTokenType.StartArray))
        {
            return null;
        }

        string? first = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var text = Text(ref reader);
            first ??= text;
        }

        return first;
    }

    private ref struct Found()
    {
        public string? Status;
        public string? Error;
        public string? Warning;
        public string? Type;
        public bool Many;
        public int Odd;
        public readonly List<PrometheusSeries> Series = [];
    }
}
