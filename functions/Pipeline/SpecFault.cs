using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>One thing that keeps a CachedModel from working, for the condition Invalid.</summary>
/// <param name="Reason">CamelCase, the condition's reason.</param>
/// <param name="Field">Path of the field, such as <c>spec.cache.copies</c>.</param>
/// <param name="Value">The value as it stands there; texts in quotes.</param>
/// <param name="Fix">What is wrong with it and what to write instead.</param>
internal sealed record SpecFault(string Reason, string Field, string Value, string Fix)
{
    private const int MaxTold = 5;

    public string Message => $"{Field} is {Value}: {Fix}";

    public static SpecFault Text(string reason, string field, string? value, string fix) => new(reason, field, value is null ? "missing" : $"'{ObjectKeys.Printable(value)}'", fix);

    /// <summary>Reason and message of several: the first one's reason, and what all of them say.</summary>
    public static (string Reason, string Message) Sum(IReadOnlyList<SpecFault> faults) =>
        (faults[0].Reason, string.Join("; ", faults.Take(MaxTold).Select(f => f.Message)) + (faults.Count > MaxTold ? $"; and {faults.Count - MaxTold} more" : ""));
}
