using System.Text.Json.Serialization.Metadata;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>One plan in the making: what was observed, and what its stages have decided so far.</summary>
internal sealed class LinePass(Observed observed, List<VersionStatus> versions, Conditions conditions, DateTimeOffset now)
{
    public Observed Observed { get; } = observed;
    public CachedModel Model => Observed.Model;
    public IReadOnlyList<UploadedVersion> Uploads => Observed.Uploads?.Versions ?? [];

    /// <summary>Whether the store has told what lies there now.</summary>
    public bool Listed => Observed.Uploads is { Failure: null };

    public List<VersionStatus> Versions { get; } = versions;
    public Conditions Conditions { get; } = conditions;
    public DateTimeOffset Now { get; } = now;
    public List<LineAction> Actions { get; } = [];

    /// <summary>The earliest time at which time alone changes something.</summary>
    public DateTimeOffset? NextLook { get; private set; }

    public VersionStatus? Serving => Versions.FindLast(v => v.State == VersionState.Serving);

    /// <summary>Digest of the version that the InferenceService describes now.</summary>
    public string? Current => Observed.Service?.Metadata.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation);

    public UploadedVersion? Upload(VersionStatus version) => Uploads.FirstOrDefault(u => u.Name == version.Name);

    public Dataset? DatasetOf(VersionStatus version) =>
        Observed.Datasets.FirstOrDefault(d => d.Metadata.Name == version.Dataset) ?? (Adopted(version) ? Observed.Adopted : null);

    public JindoRuntime? RuntimeOf(VersionStatus version) =>
        Observed.Runtimes.FirstOrDefault(r => r.Metadata.Name == version.Dataset) ?? (Adopted(version) ? Observed.AdoptedRuntime : null);

    public DataLoad? LoadOf(VersionStatus version) => Observed.Loads.FirstOrDefault(l => l.Metadata.Name == version.DataLoad);

    /// <summary>Whether a version lies in a Dataset that was there before us: never written, never deleted.</summary>
    public bool Adopted(VersionStatus version) => VersionWarmth.Adopted(Model, version);

    public void LookAt(DateTimeOffset? at) => NextLook = at is { } time && (NextLook is not { } next || time < next) ? time : NextLook;

    /// <summary>
    /// The look before was at another spec, or might not write by this one: what we own and no longer want may be there still, which no comparison of what we want shows.
    /// Server-side apply takes it away, and writes nothing where there is none.
    /// </summary>
    private bool Renewed => Observed.Read is not { } read || read.ObservedGeneration != Model.Metadata.Generation
        || read.Conditions?.Exists(c => c is { Type: "Invalid" or "Paused", Status: "True" } || (Listed && c is { Type: "UploadComplete", Status: "Unknown" })) == true;

    /// <summary>Writes an object unless it already says everything that we want to say, and nothing that we wanted before.</summary>
    public void Ensure<T>(T? observed, T desired, Func<T, LineAction> apply, JsonTypeInfo<T> json)
        where T : class
    {
        if (observed is null || Renewed || !(ObjectMatch.Alike(observed, desired) || JsonSubset.Covers(observed, desired, json)))
        {
            Actions.Add(apply(desired));
        }
    }
}
