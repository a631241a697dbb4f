namespace Prewarm.Sandbox.Cluster;

/// <summary>A Dataset's mountPoint, <c>oss://bucket/prefix</c>. Not a URI to Fluid: <c>#</c>, <c>?</c> and <c>%</c> are letters of a key.</summary>
/// <param name="Prefix">Empty, or ends with a slash.</param>
internal sealed record MountPoint(string Bucket, string Prefix)
{
    /// <exception cref="FormatException">Not an object store's mount point.</exception>
    public static MountPoint Parse(string? text)
    {
        var start = text?.IndexOf("://", StringComparison.Ordinal) ?? -1;
        if (start < 0 || text![..start] is not ("oss" or "s3"))
        {
            throw new FormatException($"incorrect oss mountPoint with {text}, please check your path is dir or file");
        }

        var rest = text[(start + 3)..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var (bucket, prefix) = slash < 0 ? (rest, "") : (rest[..slash], rest[(slash + 1)..].TrimEnd('/'));
        return new(bucket, prefix.Length == 0 ? "" : prefix + "/");
    }
}
