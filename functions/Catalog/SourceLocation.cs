namespace Prewarm.Functions.Catalog;

/// <summary>Bucket and prefix of an <c>oss://</c> URI. The prefix is empty or ends with a slash.</summary>
internal sealed record SourceLocation(string Bucket, string Prefix)
{
    public string Uri => $"oss://{Bucket}/{Prefix}";

    /// <summary>Whether an object could lie below both.</summary>
    public bool Overlaps(SourceLocation other) => Bucket == other.Bucket
        && (Prefix.StartsWith(other.Prefix, StringComparison.Ordinal) || other.Prefix.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>Parses <c>oss://bucket/prefix</c>; null when it is not one.</summary>
    public static SourceLocation? Parse(string? uri)
    {
        const string scheme = "oss://";
        if (uri is null || !uri.StartsWith(scheme, StringComparison.Ordinal))
        {
            return null;
        }

        var rest = uri[scheme.Length..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var bucket = slash < 0 ? rest : rest[..slash];
        var prefix = slash < 0 ? "" : rest[(slash + 1)..].Trim('/');
        return bucket.Length == 0 ? null : new(bucket, prefix.Length == 0 ? "" : prefix + "/");
    }
}
