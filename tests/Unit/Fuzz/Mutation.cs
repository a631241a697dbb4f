using System.Text;
using CsCheck;
using Prewarm.Tests.Unit.Manifests;

namespace Prewarm.Tests.Unit.Fuzz;

/// <summary>Bytes that began as something real. CsCheck prints the seed of what fails.</summary>
internal static class Mutation
{
    private static readonly byte[][] Tokens =
    [
        .. new[] { "\"\\ud800\"", "\\u0000", "1e999", "-0", "null", "true", "[]", "{}", "\"\"", "{\"a\":1,\"a\":2}", "\"../x\"", "\"http://x/y\"", "9223372036854775808", ",", ":", "\"", "{", "}", "[", "]", "\n", "\r\n", "\t", "%", "%41", "模", "\u202e", "ce-id" }
            .Select(Encoding.UTF8.GetBytes),
        [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xef, 0xbb, 0xbf], [0], [0x1f, 0x8b],
        Encoding.UTF8.GetBytes(new string('[', 200)),
        Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 100))),
    ];

    private static readonly Gen<(int Kind, int At, int Length, int Token)> Change = Gen.Select(Gen.Int[0, 6], Gen.Int[0, 1 << 20], Gen.Int[0, 64], Gen.Int[0, Tokens.Length - 1]);

    /// <summary>One of the given texts, changed up to six times; sometimes not at all, sometimes only noise.</summary>
    public static Gen<byte[]> Of(IReadOnlyList<byte[]> seeds) => Gen.Select(Gen.Int[0, seeds.Count], Change.Array[0, 6], Gen.Byte.Array[0, 200],
        (seed, changes, noise) => changes.Aggregate(seed == seeds.Count ? noise : seeds[seed], Apply));

    public static Gen<byte[]> Of(params string[] seeds) => Of([.. seeds.Select(Encoding.UTF8.GetBytes)]);

    /// <summary>The recorded events and answers of real systems, where the shared folder with them is there.</summary>
    public static IReadOnlyList<byte[]> Samples(params string[] patterns)
    {
        var folder = Path.Combine(ManifestFolder.Root, "..", "shared", "samples");
        return !Directory.Exists(folder) ? [] : [.. patterns.SelectMany(p => Directory.EnumerateFiles(folder, p)).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
    }

    private static byte[] Apply(byte[] bytes, (int Kind, int At, int Length, int Token) change)
    {
        var at = bytes.Length == 0 ? 0 : change.At % (bytes.Length + 1);
        var end = Math.Min(bytes.Length, at + change.Length);
        return change.Kind switch
        {
            0 => [.. bytes[..at], .. Tokens[change.Token], .. bytes[at..]],
            1 => [.. bytes[..at], .. Tokens[change.Token], .. bytes[end..]],
            2 => [.. bytes[..at], .. bytes[end..]],
            3 => [.. bytes[..end], .. bytes[at..]],
            4 => bytes[..at],
            5 when at < bytes.Length => [.. bytes[..at], (byte)(bytes[at] ^ (1 << (change.Length % 8))), .. bytes[(at + 1)..]],
            _ => bytes,
        };
    }
}
