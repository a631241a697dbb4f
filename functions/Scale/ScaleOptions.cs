namespace Prewarm.Functions.Scale;

/// <summary>What of the scale signals this process looks after.</summary>
internal sealed class ScaleOptions
{
    /// <value>Activations are judged and repaired here (ScaleSignalled is among FUNCTIONS). Default: false.</value>
    public bool Activations { get; set; }

    /// <value>Image with <c>sh</c>, <c>find</c>, <c>cat</c> and <c>wc</c> that reads a version under <c>cache.verify: Read</c> (<c>Scale__ReadImage</c>). Default: busybox:1.37.</value>
    public string ReadImage { get; set; } = "busybox:1.37";

    /// <summary>Whether a process with these FUNCTIONS needs to see the models' serving state.</summary>
    public static bool Watches(string? functions) => All(functions) || Names(functions).Any(f => f.StartsWith("Predict", StringComparison.OrdinalIgnoreCase)) || Judges(functions);

    /// <summary>Whether it judges activations.</summary>
    public static bool Judges(string? functions) => All(functions) || Names(functions).Contains("ScaleSignalled", StringComparer.OrdinalIgnoreCase);

    private static bool All(string? functions) => string.IsNullOrWhiteSpace(functions);

    private static string[] Names(string? functions) => functions!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
