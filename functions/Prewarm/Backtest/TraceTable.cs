using System.Globalization;

namespace Prewarm.Functions.Prewarm;

/// <summary>A trace as CSV: <c>timestamp,model</c>, one arrival a line, sorted by time (equal times may stand in any order).</summary>
internal sealed class TraceTable
{
    private readonly Dictionary<string, List<double>> arrivals = [];
    private readonly List<string> order = [];
    private readonly int timeColumn;
    private readonly int modelColumn;
    private double first = double.NaN;
    private double last = double.NegativeInfinity;

    /// <param name="header">The first line.</param>
    public TraceTable(string header)
    {
        var columns = header.Trim().Split(',');
        timeColumn = Array.FindIndex(columns, c => c.Trim() == "timestamp");
        modelColumn = Array.FindIndex(columns, c => c.Trim() == "model");
    }

    /// <summary>Whether a line names both columns.</summary>
    public static bool IsHeader(string line)
    {
        var columns = line.Trim().Split(',').Select(c => c.Trim()).ToArray();
        return columns.Contains("timestamp") && columns.Contains("model");
    }

    /// <exception cref="FormatException">The line has too few columns, no time, a time before the last one or a negative one.</exception>
    public void Add(string line)
    {
        var columns = line.Split(',');
        if (columns.Length <= Math.Max(timeColumn, modelColumn))
        {
            throw new FormatException("timestamp or model is missing");
        }

        var text = columns[timeColumn].Trim();
        var model = columns[modelColumn].Trim();
        var time = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && double.IsFinite(seconds) ? seconds
            : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date) ? (date - DateTimeOffset.UnixEpoch).TotalSeconds
            : throw new FormatException($"\"{text}\" is neither seconds nor a date");
        if (time < 0)
        {
            throw new FormatException($"negative time {time}");
        }

        if (time < last)
        {
            throw new FormatException($"unsorted: {time} after {last}");
        }

        if (model.Length == 0)
        {
            throw new FormatException("model is empty");
        }

        last = time;
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
}
