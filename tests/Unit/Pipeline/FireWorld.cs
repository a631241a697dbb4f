using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>How a version behaves whoever works on it.</summary>
internal sealed record Character(int LoadFailures, bool Warms, bool RevisionStarts, bool? GoldenPasses)
{
    public bool Good => RevisionStarts && GoldenPasses != false;
}

/// <summary>
/// A cluster in which several replicas of the line work on one model, write by write: each reads when it is its turn, decides on what it read,
/// and may be killed between any two writes. Fluid and KServe go on in steps of their own. After every step the promises are checked.
/// </summary>
internal sealed class FireWorld(IReadOnlyDictionary<string, Character> characters)
{
    /// <summary>A pick by which the store says what lies there now.</summary>
    private const int Fresh = 7;

    private readonly LineWorld _template = new();
    private readonly Replica[] _replicas = [new(), new()];
    private readonly List<UploadedVersion> _uploads = [];
    private readonly List<Revision> _revisions = [];
    private CachedModelStatus? _status;
    private long _statusVersion;
    private long _serviceVersion;
    private long _writes;
    private readonly HashSet<string> _asked = [];
    private readonly HashSet<(string Kind, string? Name)> _made = [];

    public DateTimeOffset Now { get; private set; } = DateTimeOffset.Parse("2026-11-24T08:00:00Z", CultureInfo.InvariantCulture);
    public List<Dataset> Datasets { get; private set; } = [];
    public List<JindoRuntime> Runtimes { get; private set; } = [];
    public List<DataLoad> Loads { get; private set; } = [];
    public InferenceService? Service { get; private set; }
    public CachedModelStatus Status => _status ?? new();
    public int Conflicts { get; private set; }

    /// <summary>Somebody deletes DataLoads: a replica that read before may then start the attempt before it once more, until the next look ends it (RepairTests).</summary>
    public bool Deletions { get; init; }

    /// <summary>The prewarmer lets the cache go and takes it back, with more workers or fewer.</summary>
    public bool Marks
    {
        get;
        init => _template.Model.Spec!.Prewarm.MaxCacheWorkers = (field = value) ? 4 : null;
    }


    public void Upload(string version)
    {
        // What serves since the same second would be kept in no certain order.
        Now = Now.AddMinutes(1);
        var digest = (version + "0123456789abcdef0123456789abcdef")[..32].Replace('v', 'a');
        _uploads.Add(new(version, $"models/bloom/{version}/", digest, 5, 1 << 20, true, "IndexSatisfied", "all files are there", null,
            Now, characters[version].GoldenPasses is null ? null : $"models/bloom/{version}/golden.jsonl"));
    }

    /// <summary>One step of somebody's, picked by a number.</summary>
    public void Step(int pick)
    {
        switch (pick % 20)
        {
            case < 12:
                Advance(_replicas[pick / 20 % _replicas.Length], pick / 40);
                break;
            case 12:
                _replicas[pick / 20 % _replicas.Length] = new();
                break;
            case 13:
                Now = Now.AddSeconds(10);
                break;
            case 14 or 15:
                PlayFluid(pick / 20);
                break;
            case 18 when Marks:
                Mark((pick / 20 % 5) switch { 0 => null, 1 => "workers 3", 2 => $"workers 9 until {Now.AddMinutes(1):yyyy-MM-dd'T'HH:mm:ss'Z'}", _ => "released" });
                break;
            case 19 when Deletions:
                Delete(pick / 20);
                break;
            default:
                PlayKServe();
                break;
        }

        Check();
    }

    public void Mark(string? mark) => _template.Annotate(Ownership.CacheAnnotation, mark);

    /// <summary>Everybody works until nothing moves any more.</summary>
    public void Quiesce()
    {
        for (var round = 0; round < 200; round++)
        {
            var writes = _writes;
            for (var step = 0; step < 12; step++)
            {
                PlayFluid(step);
                PlayKServe();
                Check();
            }

            // Twice: what a replica has begun on old news ends first, and does not count as having seen what is there now.
            foreach (var replica in _replicas.Concat(_replicas))
            {
                do
                {
                    Advance(replica, Fresh);
                    Check();
                }
                while (replica.Busy);
            }

            if (writes != _writes)
            {
                continue;
            }

            if (Status.NextLook is not { } next)
            {
                return;
            }

            Now = next > Now ? next : Now.AddSeconds(1);
        }

        Assert.Fail($"it never comes to rest: {Status.Phase}, {string.Join("; ", Status.Conditions!.Select(c => $"{c.Type} {c.Status} {c.Reason}"))}");
    }

    /// <summary>What the store says to this replica: nothing, what the replica has heard before (as a look that no upload asks for takes it), or what lies there now.</summary>
    private UploadObservation Listing(Replica replica, int pick)
    {
        if (pick % 8 == 0)
        {
            return UploadObservation.Failed("StoreUnreachable", "the store does not answer", transient: true);
        }

        var last = pick % 8 < 4 && replica.Listed is { } listed && !VersionLedger.Outdated(replica.Model!.Status?.Versions ?? [], listed) ? listed : null;
        return replica.Listed = last ?? new([.. _uploads], null);
    }

    private void Advance(Replica replica, int pick)
    {
        if (replica.Model is null)
        {
            replica.Model = Model();
            replica.ModelVersion = _statusVersion;
        }
        else if (replica.Plan is null)
        {
            var predictor = Service?.Status?.Components?.GetValueOrDefault("predictor");
            replica.Observed = new(replica.Model)
            {
                Uploads = Listing(replica, pick),
                Datasets = [.. Datasets.Select(d => Copy(d, FluidJsonContext.Default.Dataset))],
                Runtimes = [.. Runtimes.Select(r => Copy(r, FluidJsonContext.Default.JindoRuntime))],
                Loads = [.. Loads.Select(l => Copy(l, FluidJsonContext.Default.DataLoad))],
                Service = Service is null ? null : Copy(Service, ServingJsonContext.Default.InferenceService),
                Revision = _revisions.Find(r => r.Metadata.Name == predictor?.LatestCreatedRevision) is { } revision ? Copy(revision, ServingJsonContext.Default.Revision) : null,
            };
            replica.ServiceVersion = Service is null ? 0 : _serviceVersion;
            replica.Plan = LinePlanner.Settle(replica.Observed, Now);
        }
        else if (replica.Next < replica.Plan.Actions.Count)
        {
            if (!Apply(replica, replica.Plan.Actions[replica.Next++]))
            {
                Conflicts++;
                replica.Forget();
            }
        }
        else
        {
            if (!LinePlanner.Same(replica.Model.Status, replica.Plan.Status))
            {
                if (replica.ModelVersion == _statusVersion)
                {
                    _status = Copy(new CachedModel { Status = replica.Plan.Status }, CatalogKinds.CachedModels.Json).Status;
                    _statusVersion++;
                    _writes++;
                }
                else
                {
                    Conflicts++;
                }
            }

            replica.Forget();
        }
    }

    /// <summary>As the actor and an API server do it; false: a conflict.</summary>
    private bool Apply(Replica replica, LineAction action)
    {
        _writes += action is LineAction.Prove ? 0 : 1;
        switch (action)
        {
            case LineAction.ApplyDataset a:
                Put(Datasets, Copy(a.Dataset, FluidJsonContext.Default.Dataset), (old, now) => now.Status = old?.Status);
                return true;
            case LineAction.ApplyRuntime a:
                Put(Runtimes, Copy(a.Runtime, FluidJsonContext.Default.JindoRuntime), (old, now) => now.Status = old?.Status);
                return true;
            case LineAction.ApplyLoad a:
                Put(Loads, Copy(a.Load, FluidJsonContext.Default.DataLoad), (old, now) => now.Status = old?.Status);
                return true;
            case LineAction.ApplyService a:
                if (replica.ServiceVersion != (Service is null ? 0 : _serviceVersion))
                {
                    return false;
                }

                var service = Copy(a.Service, ServingJsonContext.Default.InferenceService);
                service.Status = Service?.Status;
                Service = service;
                replica.ServiceVersion = ++_serviceVersion;
                return true;
            case LineAction.Prove a:
                // The first time nobody answers.
                var asked = replica.Plan!.Status.Versions!.Find(v => v.Name == a.Version)!;
                var answered = !_asked.Add(a.Version);
                asked.Golden = !answered ? null : characters[a.Version].GoldenPasses == true ? "Passed" : "Failed";
                asked.GoldenRetryAt = answered ? null : Now + LineActor.AskAgain;
                return true;
            case LineAction.DeleteLoad a:
                Loads.RemoveAll(l => l.Metadata.Name == a.Name && l.Metadata.Uid == a.Uid);
                return true;
            case LineAction.DeleteDataset a:
                Datasets.RemoveAll(d => d.Metadata.Name == a.Name && d.Metadata.Uid == a.Uid);
                return true;
            case LineAction.DeleteRuntime a:
                Runtimes.RemoveAll(r => r.Metadata.Name == a.Name && r.Metadata.Uid == a.Uid);
                return true;
            default:
                throw new InvalidOperationException($"nothing asks for {action.GetType().Name} here");
        }
    }

    private void Put<T>(List<T> list, T now, Action<T?, T> keep)
        where T : class, IKubeObject
    {
        var old = list.Find(o => o.Metadata.Name == now.Metadata.Name);
        Assert.True(old is not null || _made.Add((typeof(T).Name, now.Metadata.Name)) || Deletions, $"{typeof(T).Name} {now.Metadata.Name} is made a second time");
        now.Metadata.Uid = old?.Metadata.Uid ?? $"uid-{_writes}";
        now.Metadata.CreationTimestamp = old?.Metadata.CreationTimestamp ?? Now;
        keep(old, now);
        list.RemoveAll(o => o.Metadata.Name == now.Metadata.Name);
        list.Add(now);
    }

    private void PlayFluid(int pick)
    {
        foreach (var dataset in Datasets.Where(d => d.Status is null && Runtimes.Exists(r => r.Metadata.Name == d.Metadata.Name)))
        {
            dataset.Status = new() { Phase = "Bound", CacheStates = new() { ["cached"] = "0.00B" } };
            Runtimes.Find(r => r.Metadata.Name == dataset.Metadata.Name)!.Status = new() { WorkerPhase = "Ready" };
            _writes++;
        }

        var waiting = Loads.Where(l => l.Status?.Phase is not ("Complete" or "Failed") && Datasets.Exists(d => d.Metadata.Name == l.Spec!.Dataset!.Name && d.Status is not null)).ToList();
        if (waiting.Count == 0)
        {
            return;
        }

        _writes++;
        var load = waiting[pick % waiting.Count];
        if (load.Status is null)
        {
            load.Status = new() { Phase = "Executing" };
            return;
        }

        var (version, character) = (Of(load.Metadata), characters[Of(load.Metadata)]);
        var failed = Loads.Count(l => Of(l.Metadata) == version && l.Status?.Phase == "Failed");
        load.Status = new() { Phase = failed < character.LoadFailures ? "Failed" : "Complete" };
        if (load.Status.Phase == "Complete")
        {
            Datasets.Find(d => d.Metadata.Name == load.Spec!.Dataset!.Name)!.Status!.CacheStates!["cached"] = $"{load.Spec!.Target![0].Replicas - (character.Warms ? 0 : 1)}.00MiB";
        }
    }

    /// <summary>A revision is made, starts or fails, gets the traffic: by KServe's rules (ksvc_reconciler.go, inference_service_status.go).</summary>
    private void PlayKServe()
    {
        if (Service is null || Service.Metadata.Annotations!.ContainsKey(ServingObjects.StopAnnotation))
        {
            _writes += Service?.Status is null ? 0 : 1;
            Service?.Status = null;
            return;
        }

        Service.Status ??= new() { Components = new() { ["predictor"] = new() } };
        var predictor = Service.Status.Components!["predictor"];
        var latest = _revisions.Find(r => r.Metadata.Name == predictor.LatestCreatedRevision);
        if (latest is null || Key(latest.Metadata) != Key(Service.Metadata))
        {
            latest = new() { Metadata = new() { Name = $"fluid-bloom-predictor-{_revisions.Count + 1:00000}", Annotations = new(Service.Metadata.Annotations) } };
            _revisions.Add(latest);
            predictor.LatestCreatedRevision = latest.Metadata.Name;
        }
        else if (latest.Status is null)
        {
            latest.Status = new() { Conditions = [new() { Type = "Ready", Status = characters[Of(latest.Metadata)].RevisionStarts ? "True" : "False" }] };
        }
        else if (latest.Status.Conditions![0].Status == "True" && predictor.LatestReadyRevision != latest.Metadata.Name)
        {
            predictor.LatestReadyRevision = latest.Metadata.Name;
        }
        else if (predictor.LatestReadyRevision == latest.Metadata.Name)
        {
            var all = predictor.LatestRolledoutRevision is null || Service.Spec!.Predictor!["canaryTrafficPercent"] is null;
            var traffic = all
                ? (List<TrafficTarget>)[new() { RevisionName = latest.Metadata.Name, LatestRevision = true, Percent = 100, Tag = "latest", Url = "http://latest" }]
                : [new() { RevisionName = latest.Metadata.Name, LatestRevision = true, Percent = 0, Tag = "latest", Url = "http://latest" }, new() { RevisionName = predictor.LatestRolledoutRevision, Percent = 100, Tag = "prev" }];
            if (predictor.Traffic is not null && predictor.Traffic.Select(t => (t.RevisionName, t.Percent)).SequenceEqual(traffic.Select(t => (t.RevisionName, t.Percent))))
            {
                return;
            }

            predictor.Traffic = traffic;
            predictor.LatestRolledoutRevision = all ? latest.Metadata.Name : predictor.LatestRolledoutRevision;
            (Service.Status.Url, Service.Status.Conditions) = ("http://fluid-bloom", [new() { Type = "Ready", Status = "True" }]);
        }
        else
        {
            return;
        }

        _serviceVersion++;
        _writes++;
    }

    /// <summary>Somebody deletes what is ours.</summary>
    private void Delete(int pick)
    {
        if (pick % 3 == 0)
        {
            Service = null;
            _serviceVersion++;
        }
        else if (pick % 3 == 1 && Datasets.Count > 0)
        {
            // Fluid takes the runtime and the DataLoads away with the Dataset.
            var name = Datasets[pick / 3 % Datasets.Count].Metadata.Name;
            Datasets.RemoveAll(d => d.Metadata.Name == name);
            Runtimes.RemoveAll(r => r.Metadata.Name == name);
            Loads.RemoveAll(l => l.Spec!.Dataset!.Name == name);
        }
        else if (Loads.Count > 0)
        {
            Loads.RemoveAt(pick / 3 % Loads.Count);
        }
    }

    private void Check()
    {
        Assert.All(Loads.Where(_ => !Deletions).GroupBy(l => Of(l.Metadata)), g => Assert.InRange(g.Count(l => l.Status?.Phase is not ("Complete" or "Failed")), 0, 1));

        // What the status calls serving was warm, or is said to be unproven, and was golden.
        if (Status.Version is { } serving)
        {
            Assert.True(characters[serving].Good, $"{serving} serves and is {characters[serving]}");
            var entry = Status.Versions!.Find(v => v.Name == serving)!;
            Assert.True(entry.LoadedAt is not null || Status.Conditions!.Exists(c => c.Type == "WarmthUnproven"), $"{serving} serves without proof of warmth and nothing says so");
            Assert.NotNull(entry.CompletedAt);
        }

        // Nothing unproven gets what served before.
        foreach (var target in Service?.Status?.Components?["predictor"].Traffic?.Where(t => t.Percent > 0) ?? [])
        {
            var version = Of(_revisions.Find(r => r.Metadata.Name == target.RevisionName)!.Metadata);
            Assert.True(Status.Version is null || characters[version].Good, $"{version} has traffic, {Status.Version} served, and it is {characters[version]}");
        }
    }

    /// <summary>As one who reads it now has it.</summary>
    public CachedModel Model()
    {
        var model = Copy(new CachedModel { ApiVersion = _template.Model.ApiVersion, Kind = _template.Model.Kind, Metadata = _template.Model.Metadata, Status = _status }, CatalogKinds.CachedModels.Json);
        model.Spec = _template.Model.Spec;
        return model;
    }

    private static string Of(ObjectMeta meta) => "v" + meta.Annotations![Ownership.DigestAnnotation][1];

    private static (string?, string?) Key(ObjectMeta meta) => (meta.Annotations!.GetValueOrDefault(Ownership.DigestAnnotation), meta.Annotations!.GetValueOrDefault(ServingObjects.AttemptAnnotation));

    public static T Copy<T>(T value, JsonTypeInfo<T> json) => JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(value, json), json)!;

    private sealed class Replica
    {
        public UploadObservation? Listed { get; set; }
        public CachedModel? Model { get; set; }
        public long ModelVersion { get; set; }
        public Observed? Observed { get; set; }
        public long ServiceVersion { get; set; }
        public LinePlan? Plan { get; set; }
        public int Next { get; set; }
        public bool Busy => Model is not null;

        public void Forget() => (Model, Observed, Plan, Next) = (null, null, null, 0);
    }
}
