using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Prewarm.Functions.Prewarm;

/// <summary>A trace as CSV (RFC 4180, a field on one line): <c>timestamp,model</c> among its columns, one arrival a line, sorted by time (equal times may stand in any order).</summary>
internal sealed partial class TraceTable
{
    /// <summary>Later arrivals are told in other units.</summary>
    public const double MostSeconds = 1e11;

    private const int LongestHeader = 1 << 16;

    private readonly Dictionary<string, List<double>> arrivals = [];
    private readonly List<string> order = [];
    private readonly int columnCount;
    private readonly int timeColumn;
    private readonly int modelColumn;
    private string lastText = "";
    private double first = double.NaN;
    private double last = double.NegativeInfinity;

    /// <param name="header">The first line.</param>
    public TraceTable(string header)
    {
        var columns = Split(header);
        columnCount = columns.Count;
        timeColumn = Column(columns, "timestamp");
        modelColumn = Column(columns, "model");
    }

    /// <summary>Whether a line names both columns.</summary>
    public static bool IsHeader(string line)
    {
        if (line.Length > LongestHeader || line.TrimStart().StartsWith('{'))
        {
            return false;
        }

        var columns = Split(line);
        return Column(columns, "timestamp") >= 0 && Column(columns, "model") >= 0;
    }

    /// <exception cref="FormatException">The line has too few columns, no time, a time before the last one or a negative one.</exception>
    public void Add(string line)
    {
        var columns = Split(line);
        if (columns.Count <= Math.Max(timeColumn, modelColumn))
        {
            throw new FormatException("timestamp or model is missing");
        }

        if (columns.Count > columnCount && columns.Skip(columnCount).Any(c => c.Length > 0))
        {
            throw new FormatException($"{columns.Count} columns where the header has {columnCount}: write decimals with a point, and quotes around a value with a comma");
        }

        var text = columns[timeColumn].Trim();
        var model = columns[modelColumn].Trim();
        var time = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && double.IsFinite(seconds) ? seconds
            : Iso8601().IsMatch(text) && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date) ? (date - DateTimeOffset.UnixEpoch).TotalSeconds
            : throw new FormatException(IsHeader(line) ? "a second header: leave it out, or give several files one by one"
                : $"\"{Short(text)}\" is neither seconds nor ISO 8601: write it as 1767225600.5 or 2026-01-01T00:00:00.5Z");
        if (time < 0)
        {
            throw new FormatException($"negative time {time}");
        }

        if (time > MostSeconds)
        {
            throw new FormatException($"{Short(text)} is beyond the year 5000: seconds are expected, these may be milliseconds");
        }

        if (time < last)
        {
            throw new FormatException($"unsorted: {Short(text)} after {Short(lastText)}; sort the lines by time");
        }

        if (model.Length == 0)
        {
            throw new FormatException("model is empty");
        }

        last = time;
        lastText = text;
        first = double.IsNaN(first) ? time : first;
        if (!arrivals.TryGetValue(model, out var list))
        {
            arrivals[model] = list = [];
            order.Add(model);
        }

        list.Add(time);
    }

    /// <summary>One service a model, all observed from the file's first arrival to its last.</summary>
    public List<ServiceTrace> Services() => [.. order.Select(model => new ServiceTrace(model, first, last, [.. arrivals[model]]))];

    private static int Column(List<string> columns, string name) => columns.FindIndex(c => c.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The line's fields, without quotes and without blanks around them.</summary>
    private static List<string> Split(string line)
    {
        var fields = new List<string>();
        if (!line.Contains('"'))
        {
            foreach (var part in line.Split(','))
            {
                fields.Add(part.Trim());
            }

            return fields;
        }

        var field = new StringBuilder();
        var quoted = false;
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '"')
            {
                // Two inside quotes are one.
                if (quoted && i + 1 < line.Length && line[i + 1] == '"')
                {
                    field.Append(line[i++]);
                }
                else
                {
                    quoted = !quoted;
                }
            }
            else if (line[i] == ',' && !quoted)
            {
                fields.Add(field.ToString().Trim());
                field.Clear();
            }
            else
            {
                field.Append(line[i]);
            }
        }

        fields.Add(quoted ? throw new FormatException("a quote is not closed") : field.ToString().Trim());
        return fields;
    }

    /// <summary>At most so much of what somebody wrote as a message can show.</summary>
    public static string Short(string text) => text.Length <= 60 ? text : text[..60] + "…";

    // Anything else that .NET takes for a date, such as 1,5 or 03/04/2026, is another date elsewhere.
    [GeneratedRegex(@"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)? ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Iso8601();
}
