using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>What one cache worker may hold: the first tier's quota, or the sum of its quotaList; 1Gi without tiers (fluid pkg/ddc/jindocache/transform.go).</summary>
internal static class CacheQuota
{
    private static readonly (string Suffix, double Factor)[] s_units =
    [
        ("Ki", 1024d), ("Mi", 1048576d), ("Gi", 1073741824d), ("Ti", 1099511627776d), ("Pi", 1125899906842624d), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("", 1),
    ];

    /// <returns>Bytes.</returns>
    public static double Of(JsonObject runtime)
    {
        var tier = runtime.At("spec", "tieredstore", "levels").Objects().FirstOrDefault();
        return tier is null ? Parse("1Gi")
            : tier.Text("quotaList") is { Length: > 0 } list ? list.Split(',').Sum(q => Parse(q.Trim()))
            : Parse(tier.Text("quota") ?? "1Gi");
    }

    /// <summary>Bytes of a Kubernetes quantity; 0 for what is none.</summary>
    public static double Parse(string quantity)
    {
        var (suffix, factor) = s_units.First(u => quantity.EndsWith(u.Suffix, StringComparison.Ordinal));
        return double.TryParse(quantity[..^suffix.Length], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number * factor : 0;
    }
}
