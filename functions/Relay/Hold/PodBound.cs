using System.Globalization;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>How many requests a model's ready pods take at once, where its predictor says so.</summary>
internal static class PodBound
{
    /// <returns>containerConcurrency, Knative's hard limit, times the pods; null: there is none (0 is Knative's word for that too).</returns>
    public static int? Of(CachedModel model, int readyPods) =>
        model.Spec?.Serving.Predictor?["containerConcurrency"] is { } node && int.TryParse(node.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var each) && each > 0
            ? (int)Math.Min((long)each * Math.Max(readyPods, 1), 1 << 16) : null;
}
