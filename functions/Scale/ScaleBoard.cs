using System.Collections.Concurrent;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

/// <summary>
/// Puts what the watches tell into one immutable <see cref="ModelScale"/> per model. Writers take turns; readers take no lock, and a model whose
/// state has not changed keeps the very same object.
/// </summary>
internal sealed class ScaleBoard(TimeProvider time) : IScaleView
{
    private readonly Lock _writing = new();
    private readonly ConcurrentDictionary<ModelKey, ModelScale> _states = new();
    private readonly Dictionary<ModelKey, CachedModel> _models = [];
    private readonly Shelf<PodAutoscaler> _autoscalers = new(a => a.Metadata);
    private readonly Shelf<Dataset> _datasets = new(d => d.Metadata);
    private readonly Shelf<JindoRuntime> _runtimes = new(r => r.Metadata);
    private readonly Shelf<DataLoad> _loads = new(l => l.Metadata);
    private readonly Shelf<Pod> _pods = new(p => p.Metadata);
    private readonly Shelf<Pod> _workers = new(p => p.Metadata);
    private readonly Dictionary<string, Node> _nodes = new(StringComparer.Ordinal);
    private readonly Lookup<(string Namespace, string Service), ModelKey> _byService = new();
    private readonly Lookup<(string Namespace, string Dataset), ModelKey> _byDataset = new();
    private readonly Lookup<(string Namespace, string Service), string> _autoscalersOf = new();
    private readonly Lookup<(string Namespace, string Dataset), string> _loadsOf = new();
    private readonly Lookup<(string Namespace, string Revision), string> _podsOf = new();
    private readonly Lookup<(string Namespace, string Dataset), string> _workersOf = new();
    private readonly Lookup<string, string> _nodesOf = new();
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IReadOnlyList<string>? _open;
    private bool _nodesListed;

    public Task NextChange => _changed.Task;

    public ModelScale Of(ModelKey model) => _states.TryGetValue(model, out var state) ? state : ModelScale.Unseen;

    public bool Knows(ModelKey model)
    {
        lock (_writing)
        {
            return _models.ContainsKey(model);
        }
    }

    /// <summary>What is known of a PodAutoscaler's Revision; null when it is no model's.</summary>
    public ModelFacts? Facts(PodAutoscaler autoscaler)
    {
        lock (_writing)
        {
            return ServiceOf(autoscaler.Metadata) is { } service && _byService.Of(service) is [var key, ..] ? Facts(key, autoscaler) : null;
        }
    }

    /// <summary>What is known of the Revision that takes a model's traffic; null: there is no such model.</summary>
    public ModelFacts? Facts(ModelKey key)
    {
        lock (_writing)
        {
            return _models.TryGetValue(key, out var model) ? Facts(key, Autoscaler(key, model)) : null;
        }
    }

    /// <summary>What is known of each model that a predicate holds for.</summary>
    public IReadOnlyList<ModelFacts> All(Func<CachedModel, bool> wanted)
    {
        lock (_writing)
        {
            return [.. _models.Where(m => wanted(m.Value)).Select(m => Facts(m.Key, Autoscaler(m.Key, m.Value)))];
        }
    }

    /// <summary>All that have been seen.</summary>
    public IReadOnlyList<PodAutoscaler> Autoscalers()
    {
        lock (_writing)
        {
            return _autoscalers.All();
        }
    }

    public void Take(IReadOnlyList<CachedModel> models)
    {
        lock (_writing)
        {
            var touched = new HashSet<ModelKey>();
            var there = new HashSet<ModelKey>(models.Count);
            foreach (var model in models)
            {
                var key = model.Key();
                there.Add(key);
                if (!ReferenceEquals(_models.GetValueOrDefault(key), model))
                {
                    Index(key, model);
                    touched.Add(key);
                }
            }

            foreach (var gone in _models.Keys.Where(k => !there.Contains(k)).ToArray())
            {
                Index(gone, null);
                _states.TryRemove(gone, out _);
                touched.Add(gone);
            }

            Publish(touched);
        }
    }

    public void Take(string? scope, Delta<PodAutoscaler> delta) => Take(_autoscalers, scope, delta, a => ServiceOf(a.Metadata), _autoscalersOf, _byService);

    public void Take(string? scope, Delta<Dataset> delta) => Take<Dataset>(_datasets, scope, delta, d => (Ns(d.Metadata), d.Metadata.Name ?? ""), null, _byDataset);

    public void Take(string? scope, Delta<JindoRuntime> delta) => Take<JindoRuntime>(_runtimes, scope, delta, r => (Ns(r.Metadata), r.Metadata.Name ?? ""), null, _byDataset);

    public void Take(string? scope, Delta<DataLoad> delta) =>
        Take(_loads, scope, delta, l => l.Spec?.Dataset?.Name is { } dataset ? (Ns(l.Metadata), dataset) : null, _loadsOf, _byDataset);

    /// <summary>Predictor pods.</summary>
    public void Take(string? scope, Delta<Pod> delta) => Take(_pods, scope, delta, p => Label(p, ScaleKinds.RevisionLabel), _podsOf, null);

    /// <summary>Cache workers' pods (fluid charts/jindocache: label release is the Dataset's name).</summary>
    public void TakeWorkers(string? scope, Delta<Pod> delta) => Take(_workers, scope, delta, p => Label(p, "release"), _workersOf, _byDataset);

    public void Take(Delta<Node> delta)
    {
        lock (_writing)
        {
            var before = _nodes.ToDictionary(n => n.Key, n => (Labels(n.Value), Open(n.Value)), StringComparer.Ordinal);
            switch (delta)
            {
                case Delta<Node>.Replace list:
                    _nodes.Clear();
                    list.Items.ToList().ForEach(n => _nodes[n.Metadata.Name ?? ""] = n);
                    break;
                case Delta<Node>.Upsert one:
                    _nodes[one.Name] = one.Object;
                    break;
                case Delta<Node>.Remove gone:
                    _nodes.Remove(gone.Name);
                    break;
            }

            // A node is written many times a minute, and hardly ever says anything new.
            var first = !_nodesListed;
            _nodesListed = true;
            if (first || before.Count != _nodes.Count || _nodes.Any(n => !before.TryGetValue(n.Key, out var b) || b.Item2 != Open(n.Value) || !b.Item1.SetEquals(Labels(n.Value))))
            {
                _nodesOf.Clear();
                foreach (var node in _nodes)
                {
                    foreach (var label in Labels(node.Value))
                    {
                        _nodesOf.Add(label, node.Key);
                    }
                }

                _open = [.. _nodes.Where(n => Open(n.Value)).Select(n => n.Key).Order(StringComparer.Ordinal)];
                Publish(_models.Keys);
            }
        }
    }

    private void Take<T>(Shelf<T> shelf, string? scope, Delta<T> delta, Func<T, (string, string)?> owner, Lookup<(string, string), string>? names, Lookup<(string, string), ModelKey>? models)
        where T : class
    {
        lock (_writing)
        {
            var first = !shelf.Listed(scope ?? "");
            var touched = new HashSet<ModelKey>();
            foreach (var item in shelf.Take(scope, delta))
            {
                if (owner(item) is not { } key)
                {
                    continue;
                }

                var name = shelf.NameOf(item);
                if (names is not null)
                {
                    names.Remove(key, name);
                    if (shelf.Get(key.Item1, name) is { } now && owner(now) == key)
                    {
                        names.Add(key, name);
                    }
                }

                if (models is not null)
                {
                    touched.UnionWith(models.Of(key));
                }
                else if (item is Pod pod && ServiceOf(pod.Metadata) is { } service)
                {
                    touched.UnionWith(_byService.Of(service));
                }
            }

            // The first list also tells what is not there.
            Publish(first && delta is Delta<T>.Replace ? _models.Keys : touched);
        }
    }

    private void Index(ModelKey key, CachedModel? model)
    {
        if (_models.Remove(key, out var old))
        {
            _byService.Remove((key.Namespace, old.ServiceName()), key);
            foreach (var dataset in Datasets(old))
            {
                _byDataset.Remove((key.Namespace, dataset), key);
            }
        }

        if (model is not null)
        {
            _models[key] = model;
            _byService.Add((key.Namespace, model.ServiceName()), key);
            foreach (var dataset in Datasets(model))
            {
                _byDataset.Add((key.Namespace, dataset), key);
            }
        }
    }

    private void Publish(IEnumerable<ModelKey> keys)
    {
        var changed = false;
        var now = time.GetUtcNow();
        foreach (var key in keys)
        {
            if (!_models.TryGetValue(key, out var model))
            {
                changed = true;
                continue;
            }

            var state = Facts(key, Autoscaler(key, model)).Scale(now);
            var before = Of(key);
            if (before.Level != state.Level || before.ReadyPods != state.ReadyPods || before.Revision != state.Revision || before.Since != state.Since
                || before.Locality.Locality != state.Locality.Locality || before.Locality.Reason != state.Locality.Reason)
            {
                _states[key] = state;
                changed = true;
            }
        }

        if (changed)
        {
            // The new promise first: whoever wakes and looks again must not find the old, completed one.
            var told = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
            told.TrySetResult();
        }
    }

    private PodAutoscaler? Autoscaler(ModelKey key, CachedModel model) => ServedVersion.Choose(model,
        [.. _autoscalersOf.Of((key.Namespace, model.ServiceName())).Select(n => _autoscalers.Get(key.Namespace, n)).OfType<PodAutoscaler>()]);

    private ModelFacts Facts(ModelKey key, PodAutoscaler? autoscaler)
    {
        var (ns, model) = (key.Namespace, _models[key]);
        var version = autoscaler is null ? model.Status?.Versions?.FindLast(v => v.State == "Serving") : ServedVersion.Of(model, autoscaler.Metadata);
        var dataset = _datasets.Get(ns, version?.Dataset);
        var revision = autoscaler is null ? null : ServedVersion.Revision(autoscaler.Metadata);
        return new(model)
        {
            Autoscaler = autoscaler,
            Version = version,
            Dataset = dataset,
            Runtime = _runtimes.Get(ns, version?.Dataset),
            Loads = version?.Dataset is null ? [] : [.. _loadsOf.Of((ns, version.Dataset)).Select(n => _loads.Get(ns, n)).OfType<DataLoad>()],
            WorkerNodes = _nodesListed && version?.Dataset is { } name ? _nodesOf.Of(FluidNames.WorkerLabel(ns, name, dataset?.Metadata.Uid)) : null,
            OpenNodes = _open,
            WorkerPods = version?.Dataset is null ? [] : PodsOf(_workers, _workersOf.Of((ns, version.Dataset)), ns),
            Pods = revision is null ? [] : PodsOf(_pods, _podsOf.Of((ns, revision)), ns),
            CacheSeen = _datasets.Listed(ns) && _runtimes.Listed(ns) && _loads.Listed(ns),
        };
    }

    private static Pod[] PodsOf(Shelf<Pod> pods, IReadOnlyList<string> names, string ns) => [.. names.Select(n => pods.Get(ns, n)).OfType<Pod>()];

    private static (string, string)? Label(Pod pod, string label) => pod.Metadata.Labels?.GetValueOrDefault(label) is { } value ? (Ns(pod.Metadata), value) : null;

    private static (string, string)? ServiceOf(ObjectMeta meta) => meta.Labels?.GetValueOrDefault(ServingKinds.ServiceLabel) is { } service ? (Ns(meta), service) : null;

    private static IEnumerable<string> Datasets(CachedModel model) => (model.Status?.Versions ?? []).Select(v => v.Dataset).OfType<string>().Distinct(StringComparer.Ordinal);

    private static string Ns(ObjectMeta meta) => meta.Namespace ?? "";

    private static bool Open(Node node) => node.Spec?.Unschedulable != true && node.Metadata.DeletionTimestamp is null;

    private static HashSet<string> Labels(Node node) =>
        (node.Metadata.Labels ?? []).Where(l => l.Key.StartsWith(FluidNames.WorkerPrefix, StringComparison.Ordinal) && l.Value == "true").Select(l => l.Key).ToHashSet(StringComparer.Ordinal);
}
