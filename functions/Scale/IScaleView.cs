using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

/// <summary>Where a model stands between zero and up, read as a level from the PodAutoscaler of the Revision that takes its traffic.</summary>
internal enum ScaleLevel
{
    /// <summary>Not seen: no PodAutoscaler yet, or the watch has not listed.</summary>
    Unknown,

    /// <summary>Active False, desired 0.</summary>
    Zero,

    /// <summary>Active Unknown/Queued, ScaleTargetInitialized True, desired &gt; 0.</summary>
    Waking,

    /// <summary>Active True.</summary>
    Up,

    /// <summary>Active False with reason TimedOut: the last wake failed.</summary>
    Failed,
}

/// <summary>What the watches know of one model's serving at this moment; immutable.</summary>
/// <param name="ReadyPods">PodAutoscaler's actualScale; 0 when it is not told.</param>
/// <param name="Revision">The Revision that takes the traffic; null: none is known.</param>
/// <param name="Locality">The verdict for a pod that would start now.</param>
internal sealed record ModelScale(ScaleLevel Level, int ReadyPods, string? Revision, LocalityVerdict Locality)
{
    /// <summary>When the level last changed, whole seconds: the same for everyone who sees it. Null: not told.</summary>
    public DateTimeOffset? Since { get; init; }

    public static readonly ModelScale Unseen = new(ScaleLevel.Unknown, 0, null, new(Warm.Locality.Unknown, "NotWatched"));
}

/// <summary>The serving state of every model, from snapshots that watches keep fresh: no call, no lock.</summary>
internal interface IScaleView
{
    /// <summary><see cref="ModelScale.Unseen"/> for a model that is not known.</summary>
    ModelScale Of(ModelKey model);

    /// <summary>Completes at the next change of any model's state.</summary>
    Task NextChange { get; }
}
