namespace Prewarm.Sandbox.Texts;

/// <summary>The two training texts of the story; v2 has words that only v2 knows.</summary>
internal static class TrainingTexts
{
    public static string V1 => Read("v1.txt");

    /// <summary>v1 retrained: the same world, and after the same opening words another story.</summary>
    public static string V2 => Read("v2.txt");

    private static string Read(string name)
    {
        using var stream = typeof(TrainingTexts).Assembly.GetManifestResourceStream("Texts/" + name) ?? throw new InvalidOperationException($"the text {name} is not in this build");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
