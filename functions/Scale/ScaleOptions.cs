namespace Prewarm.Functions.Scale;

/// <summary>What of the scale signals this process looks after.</summary>
internal sealed class ScaleOptions
{
    /// <value>Activations are judged and repaired here (ScaleSignalled is among FUNCTIONS). Default: false.</value>
    public bool Activations { get; set; }

    /// <value>Image with <c>sh</c>, <c>find</c>, <c>cat</c> and <c>wc</c> that reads a version under <c>cache.verify: Read</c> (<c>Scale__ReadImage</c>). Default: busybox:1.37.</value>
    public string ReadImage { get; set; } = "busybox:1.37";
}
