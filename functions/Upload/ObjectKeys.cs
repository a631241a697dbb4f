using System.Globalization;
using System.Text;

namespace Prewarm.Functions.Upload;

/// <summary>Object keys as Fluid and people can take them.</summary>
internal static class ObjectKeys
{
    private const int MaxShown = 5;
    private const int MaxText = 200;

    /// <summary>Fluid passes target paths unquoted through bash, joined by ':' and split at blanks (charts/fluid-dataloader, job.yaml and configmap.yaml); null when the path survives that.</summary>
    public static string? UnusableBecause(string path)
    {
        foreach (var c in path)
        {
            if (char.IsControl(c) || char.IsWhiteSpace(c) || c is ':' or '*' or '?' or '[' or ']')
            {
                return char.IsControl(c) ? "holds a control character" : char.IsWhiteSpace(c) ? "holds a blank" : $"holds '{c}'";
            }
        }

        foreach (var segment in path.Split('/'))
        {
            if (segment.StartsWith('-'))
            {
                return "has a name that begins with '-'";
            }

            if (segment is "" or "." or "..")
            {
                return "has an empty, '.' or '..' folder name";
            }
        }

        return null;
    }

    /// <summary>The first few, so that a condition message stays short.</summary>
    public static string List(IEnumerable<string> texts)
    {
        var all = texts.ToList();
        return string.Join(", ", all.Take(MaxShown).Select(Printable)) + (all.Count > MaxShown ? $" and {all.Count - MaxShown} more" : "");
    }

    /// <summary>A text as a terminal may show it: control characters as <c>\u001B</c>, and not too long.</summary>
    public static string Printable(string text)
    {
        var shown = text.Length <= MaxText ? text : text[..MaxText] + "…";
        if (!shown.Any(Hidden))
        {
            return shown;
        }

        var escaped = new StringBuilder();
        foreach (var c in shown)
        {
            escaped.Append(Hidden(c) ? $"\\u{((int)c).ToString("X4", CultureInfo.InvariantCulture)}" : c.ToString());
        }

        return escaped.ToString();
    }

    // Format: invisible, and may turn the direction of what follows. Surrogates of a pair that is whole are shown.
    private static bool Hidden(char c) => char.IsControl(c) || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
