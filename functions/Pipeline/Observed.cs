using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Everything one pass reads before it decides. Lists hold only objects labelled for this model.</summary>
internal sealed record Observed(CachedModel Model)
{
    /// <summary>W3C traceparent of the event of the store that asked for this look; null: none did.</summary>
    public string? Upload { get; init; }

    /// <summary>The status that was read, before anything else was, while the model's own is what the steps of this plan have made of it.</summary>
    public CachedModelStatus? Read { get; init; } = Model.Status;

    public UploadObservation? Uploads { get; init; }
    public IReadOnlyList<Dataset> Datasets { get; init; } = [];
    public IReadOnlyList<JindoRuntime> Runtimes { get; init; } = [];
    public IReadOnlyList<DataLoad> Loads { get; init; } = [];

    /// <summary>The Dataset of <c>spec.cache.existingDataset</c>, and its JindoRuntime where it has one.</summary>
    public Dataset? Adopted { get; init; }
    public JindoRuntime? AdoptedRuntime { get; init; }
    public InferenceService? Service { get; init; }

    /// <summary>What another CachedModel has and this one asks for; null: nothing.</summary>
    public SpecFault? Claim { get; init; }

    /// <summary>The revision that <c>components.predictor.latestCreatedRevision</c> names.</summary>
    public Revision? Revision { get; init; }

    /// <summary>Nodes with a cache worker, by Dataset; a Dataset whose nodes could not be listed is missing.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> WorkerNodes { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Since when a predictor pod finds no node, by revision; the longest wait of several.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> Unplaced { get; init; } = new Dictionary<string, DateTimeOffset>();

    /// <summary>Nodes with a predictor pod, by revision.</summary>
    public ILookup<string, string> PodNodes { get; init; } = Array.Empty<string>().ToLookup(p => p);

    /// <summary>The same with an object as the API server answered it to the one who wrote it: what reading it again would show.</summary>
    public Observed With(IKubeObject written) => written switch
    {
        // One that has just been made has no workers.
        Dataset dataset => this with
        {
            Datasets = Put(Datasets, dataset),
            WorkerNodes = WorkerNodes.ContainsKey(dataset.Metadata.Name!) ? WorkerNodes : new Dictionary<string, IReadOnlyList<string>>(WorkerNodes) { [dataset.Metadata.Name!] = [] },
        },
        JindoRuntime runtime => this with { Runtimes = Put(Runtimes, runtime) },
        DataLoad load => this with { Loads = Put(Loads, load) },
        _ => throw new InvalidOperationException($"{written.GetType().Name} is not among what is observed"),
    };

    /// <summary>The same with what a plan makes of the status.</summary>
    public Observed WithStatus(CachedModelStatus status) =>
        this with { Model = new() { ApiVersion = Model.ApiVersion, Kind = Model.Kind, Metadata = Model.Metadata, Spec = Model.Spec, Status = status } };

    private static IReadOnlyList<T> Put<T>(IReadOnlyList<T> before, T written)
        where T : IKubeObject => [.. before.Where(b => b.Metadata.Name != written.Metadata.Name), written];
}

/// <summary>What one pass does, in order, and the status it leaves.</summary>
internal sealed record LinePlan(IReadOnlyList<LineAction> Actions, CachedModelStatus Status);

internal abstract record LineAction
{
    public sealed record Finalize(bool Present) : LineAction;

    public sealed record ApplyDataset(Dataset Dataset) : LineAction;

    public sealed record ApplyRuntime(JindoRuntime Runtime) : LineAction;

    public sealed record ApplyLoad(DataLoad Load) : LineAction;

    public sealed record ApplyService(InferenceService Service) : LineAction;

    /// <summary>Ask the version's golden questions through <paramref name="Url"/>; the verdict goes into the version's status.</summary>
    public sealed record Prove(string Version, string Url, string GoldenKey) : LineAction;

    public sealed record DeleteService(string Name, string? Uid) : LineAction;

    public sealed record DeleteLoad(string Name, string? Uid) : LineAction;

    public sealed record DeleteDataset(string Name, string? Uid) : LineAction;

    public sealed record DeleteRuntime(string Name, string? Uid) : LineAction;
}
