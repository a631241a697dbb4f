using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Prewarm;

/// <summary>One model in one tick: what is known of it and what its own plan asks for, before all models' caches are weighed against each other.</summary>
/// <param name="Serving">The version that has the traffic.</param>
/// <param name="Told">status.prewarm as this process knows it.</param>
/// <param name="Others">What the namespace's other models have cost this day.</param>
internal sealed record ModelLook(CachedModel Model, VersionStatus Serving, string Revision, ServiceMemory? Memory, IReadOnlyList<ArrivalMinute> Recent, PrewarmStatus Told, DayCost Others, PrewarmPlan Plan)
{
    public ModelKey Key { get; } = Model.Key();

    /// <summary>Whose windows are followed; null: nothing was learned, or there is no patience.</summary>
    public string? Policy { get; init; }

    /// <summary>What an idle pod-second costs against its usual price.</summary>
    public double Price { get; init; } = 1;

    /// <summary>The same of keeping the cache.</summary>
    public double CachePrice { get; init; } = 1;

    public PrewarmSpec Spec => Model.Spec!.Prewarm;

    /// <summary>An adopted Dataset is never ours to let go, and what of it is the model's is not known.</summary>
    public bool Ours { get; } = Model.Spec!.Cache.ExistingDataset is null && !VersionWarmth.Adopted(Model, Serving);

    public CacheMark Mark { get; } = CacheMark.Of(Model);

    /// <summary>Unix seconds of the last call; NaN: none is known.</summary>
    public double Last => LastOf(Recent, Memory);

    /// <summary>Cache workers that it would be taken back with, where those are more than <c>spec.cache.replicas</c>; null: as many.</summary>
    public int? WorkersBack { get; init; }


    /// <summary>GB of its other versions that have a cache of their own.</summary>
    public double Beside => Model.Status!.Versions!.Where(v => v != Serving && v.Dataset is not null && !VersionWarmth.Adopted(Model, v)).Sum(v => Size(Model, v));

    /// <summary>GB (10^9 bytes) of all copies of the version that serves: while workers that were asked for are on their way, of as many as it will have; while it is away, of as many as it would be taken back with.</summary>
    public double Gigabytes(DateTimeOffset now) => Mark.Gone(now)
        ? Size(Model, Serving with { Workers = WorkersBack })
        : Math.Max(Size(Model, Serving), Size(Model, Serving with { Workers = Mark.Workers }));

    /// <summary>The same with no more workers than <c>spec.cache.replicas</c>.</summary>
    public double GigabytesLeast => Size(Model, Serving with { Workers = null });

    /// <summary>The line does nothing for it, whatever the mark says: a person has said so, or its spec is at fault.</summary>
    public bool HandsOff { get; } = VersionChoice.Paused(Model) || Model.Status?.Conditions?.Exists(c => c is { Type: "Invalid", Status: "True" }) == true;

    /// <inheritdoc cref="Last"/>
    public static double LastOf(IReadOnlyList<ArrivalMinute> recent, ServiceMemory? memory) => recent.Count > 0 ? recent[^1].LastAt : memory?.Last ?? double.NaN;

    private static double Size(CachedModel model, VersionStatus version) => (version.Bytes ?? 0) * (double)WarmObjects.Copies(model, version) / 1e9;
}
