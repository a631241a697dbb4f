using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>Node labels of cache workers; at 63 characters the Dataset's uid replaces namespace and name (facts/fluid.md §5).</summary>
internal static class FluidLabels
{
    /// <summary>A cache worker of the Dataset runs here.</summary>
    public static string Worker(JsonObject dataset) => Key("fluid.io/s-", dataset);

    /// <summary>The same, with the engine's name.</summary>
    public static string JindoWorker(JsonObject dataset) => Key("fluid.io/s-jindo-", dataset);

    private static string Key(string prefix, JsonObject dataset)
    {
        var key = $"{prefix}{dataset.Namespace()}-{dataset.Name()}";
        return key.Length < 63 ? key : prefix + dataset.Text("metadata", "uid");
    }
}
