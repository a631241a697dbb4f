namespace Prewarm.Sandbox.ObjectStore;

/// <summary>
/// Keys in the order of their UTF-8 bytes, as S3 and OSS list them. It differs from UTF-16's where surrogates meet U+E000 to U+FFFF:
/// as UTF-8 those come before everything that needs surrogates.
/// </summary>
internal sealed class Utf8Order : IComparer<string>
{
    public static Utf8Order Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        var a = x.AsSpan();
        var b = y.AsSpan();
        var same = a.CommonPrefixLength(b);
        return same == a.Length || same == b.Length ? a.Length - b.Length : Weight(a[same]) - Weight(b[same]);
    }

    private static int Weight(char c) => char.IsSurrogate(c) ? c + 0x2000 : c >= '\uE000' ? c - 0x800 : c;
}
