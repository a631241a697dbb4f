using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

internal static class FluidLabels
{
    /// <summary>Node label of a cache worker; at 63 characters the Dataset's uid replaces namespace and name (facts/fluid.md §5).</summary>
    public static string Worker(JsonObject dataset)
    {
        var key = $"fluid.io/s-{dataset.Namespace()}-{dataset.Name()}";
        return key.Length < 63 ? key : $"fluid.io/s-{dataset.Text("metadata", "uid")}";
    }
}
