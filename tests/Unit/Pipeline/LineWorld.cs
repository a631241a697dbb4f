using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>A cluster of plain objects: applies a plan's actions as an API server would and lets a test play Fluid and KServe.</summary>
internal sealed class LineWorld
{
    private readonly List<UploadedVersion> _uploads = [];
    private int _revisions;

    public DateTimeOffset Now { get; set; } = DateTimeOffset.Parse("2026-11-24T08:00:00Z", CultureInfo.InvariantCulture);

    public CachedModel Model { get; } = new()
    {
        Metadata = new() { Name = "bloom", Namespace = "demo", Uid = "uid-1", Generation = 1, Finalizers = [Ownership.Finalizer] },
        Spec = new()
        {
            Source = new() { Uri = "oss://b/models/bloom", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com", CredentialsSecret = "access-key" },
            Serving = new()
            {
                Name = "fluid-bloom",
                Predictor = (JsonObject)JsonNode.Parse("""{"containers":[{"name":"kserve-container","image":"i","resources":{"limits":{"cpu":"12","nvidia.com/gpu":1}}}]}""")!,
            },
        },
    };

    public List<Dataset> Datasets { get; } = [];
    public List<JindoRuntime> Runtimes { get; } = [];
    public List<DataLoad> Loads { get; } = [];
    public InferenceService? Service { get; set; }
    private Revision? Revision { get; set; }

    /// <summary>The Dataset and JindoRuntime of spec.cache.existingDataset.</summary>
    public Dataset? Adopted { get; set; }
    public JindoRuntime? AdoptedRuntime { get; set; }
    public Dictionary<string, IReadOnlyList<string>> WorkerNodes { get; } = [];
    public List<string> PodNodes { get; } = [];

    /// <summary>Since when a pod finds no node, by revision.</summary>
    public Dictionary<string, DateTimeOffset> Unplaced { get; } = [];

    public LinePlan Plan() => LinePlanner.Settle(Observe(), Now);

    public Observed Observe() =>
        new(Model)
        {
            Uploads = new([.. _uploads], null),
            Datasets = [.. Datasets],
            Runtimes = [.. Runtimes],
            Loads = [.. Loads],
            Adopted = Adopted,
            AdoptedRuntime = AdoptedRuntime,
            Service = Service,
            Revision = Revision,
            WorkerNodes = WorkerNodes,
            Unplaced = Unplaced,
            PodNodes = PodNodes.ToLookup(_ => Model.Status?.Versions?.FindLast(v => v.State == VersionState.Serving)?.Revision ?? ""),
        };

    public void Annotate(string name, string? value)
    {
        Model.Metadata.Annotations ??= [];
        Model.Metadata.Annotations.Remove(name);
        if (value is not null)
        {
            Model.Metadata.Annotations[name] = value;
        }
    }

    public void FailLoad(string version) =>
        Loads.Find(l => l.Metadata.Name == Version(version).DataLoad)!.Status = new() { Phase = "Failed", Conditions = [new() { Type = "Failed", Status = "True", Reason = "BackoffLimitExceeded" }] };

    /// <summary>Plans and applies until nothing is left to do; golden questions stay unanswered.</summary>
    public List<LineAction> Settle()
    {
        var done = new List<LineAction>();
        for (var pass = 0; pass < 20; pass++)
        {
            var plan = Plan();
            Model.Status = plan.Status;
            var actions = plan.Actions.Where(a => a is not LineAction.Prove).ToList();
            if (actions.Count == 0)
            {
                return done;
            }

            actions.ForEach(Apply);
            done.AddRange(actions);
        }

        throw new InvalidOperationException("the plan never settles: " + string.Join(", ", done.Select(a => a.GetType().Name)));
    }

    public void Upload(string version, bool complete = true, bool golden = false)
    {
        _uploads.RemoveAll(u => u.Name == version);
        Now = Now.AddMinutes(1);
        var digest = (version + "0123456789abcdef0123456789abcdef")[..32].Replace('v', 'a');
        _uploads.Add(new(version, $"models/bloom/{version}/", digest, 5, 1 << 20, complete, complete ? "IndexSatisfied" : "MissingFiles",
            complete ? "all files are there" : "model-00002 is missing", null, Now, golden ? $"models/bloom/{version}/golden.jsonl" : null));
    }

    public void Remove(string version) => _uploads.RemoveAll(u => u.Name == version);

    public void Overwrite(string version)
    {
        var index = _uploads.FindIndex(u => u.Name == version);
        _uploads[index] = _uploads[index] with { Digest = "ffffffffffffffffffffffffffffffff" };
    }

    public void MakeWarm(string version)
    {
        var name = Version(version).Dataset!;
        Datasets.Find(d => d.Metadata.Name == name)!.Status = new() { Phase = "Bound", CacheStates = new() { ["cached"] = "2.00MiB" } };
        Runtimes.Find(d => d.Metadata.Name == name)!.Status = new() { WorkerPhase = "Ready" };
        Loads.Find(l => l.Metadata.Name == Version(version).DataLoad)!.Status = new() { Phase = "Complete" };
    }

    /// <summary>From warm to all traffic.</summary>
    public void RollOut(string version)
    {
        RevisionReady(version);
        Settle();
        TrafficMoved();
        Settle();
    }

    public void RevisionReady(string version) => NewRevision("True", null, Version(version).Digest!);

    public void RevisionUnschedulable(string version) => NewRevision("False", "Unschedulable", Version(version).Digest!);

    public void RevisionFailed() => NewRevision("False", "ExitCode1", Service!.Metadata.Annotations![Ownership.DigestAnnotation]);

    public void Golden(string version, string verdict) => Version(version).Golden = verdict;

    public void TrafficMoved()
    {
        var predictor = Service!.Status!.Components!["predictor"];
        predictor.LatestRolledoutRevision = predictor.LatestReadyRevision;
        predictor.Traffic = [new() { RevisionName = predictor.LatestReadyRevision, LatestRevision = true, Percent = 100, Tag = "latest" }];
    }

    public void Serve(string version)
    {
        Upload(version);
        Settle();
        MakeWarm(version);
        Settle();
        RollOut(version);
    }

    /// <summary>Its revision fails.</summary>
    public void Refuse(string version)
    {
        Upload(version);
        Settle();
        MakeWarm(version);
        Settle();
        RevisionFailed();
        Settle();
    }

    public VersionStatus Version(string name) => Model.Status!.Versions!.Find(v => v.Name == name)!;

    public ModelCondition Condition(string type) => Model.Status!.Conditions!.Find(c => c.Type == type)!;

    private void NewRevision(string ready, string? reason, string digest)
    {
        var name = $"fluid-bloom-predictor-{++_revisions:00000}";
        Revision = new()
        {
            Metadata = new() { Name = name, Annotations = new(Service!.Metadata.Annotations!) { [Ownership.DigestAnnotation] = digest } },
            Status = new() { Conditions = [new() { Type = "Ready", Status = ready, Reason = reason }] },
        };
        var before = Service!.Status?.Components?["predictor"];
        Service.Status = new()
        {
            Url = "http://fluid-bloom.demo.example.com",
            Conditions = [new() { Type = "Ready", Status = "True" }],
            Components = new()
            {
                ["predictor"] = new()
                {
                    LatestCreatedRevision = name,
                    LatestReadyRevision = ready == "True" ? name : before?.LatestReadyRevision,
                    LatestRolledoutRevision = before?.LatestRolledoutRevision,
                    Traffic =
                    [
                        new() { RevisionName = name, LatestRevision = true, Percent = 0, Tag = "latest", Url = "http://latest-fluid-bloom-predictor.demo.example.com" },
                        new() { RevisionName = before?.LatestRolledoutRevision, Percent = 100, Tag = "prev" },
                    ],
                },
            },
        };
    }

    private void Apply(LineAction action)
    {
        switch (action)
        {
            case LineAction.ApplyDataset a:
                Put(Datasets, a.Dataset);
                break;
            case LineAction.ApplyRuntime a:
                Put(Runtimes, a.Runtime);
                break;
            case LineAction.ApplyLoad a:
                Put(Loads, a.Load);
                break;
            case LineAction.ApplyService a:
                a.Service.Status = Service?.Status;
                Service = a.Service;
                break;
            case LineAction.DeleteService:
                Service = null;
                break;
            case LineAction.DeleteLoad a:
                Loads.RemoveAll(l => l.Metadata.Name == a.Name);
                break;
            case LineAction.DeleteDataset a:
                Datasets.RemoveAll(d => d.Metadata.Name == a.Name);
                break;
            case LineAction.DeleteRuntime a:
                Runtimes.RemoveAll(r => r.Metadata.Name == a.Name);
                break;
            case LineAction.Finalize a:
                Model.Metadata.Finalizers = a.Present ? [Ownership.Finalizer] : [];
                break;
        }
    }

    private void Put<T>(List<T> list, T item)
        where T : IKubeObject
    {
        item.Metadata.CreationTimestamp = list.Find(i => i.Metadata.Name == item.Metadata.Name)?.Metadata.CreationTimestamp ?? Now;
        list.RemoveAll(i => i.Metadata.Name == item.Metadata.Name);
        list.Add(item);
    }
}
