using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Story;

/// <summary>Every object that ever existed in the story's namespace, by kind, name and uid: what was made twice shows, also when it is gone.</summary>
internal sealed class ObjectTally(IKubeApi api, string ns)
{
    /// <summary>What a model leaves in its namespace while it lives.</summary>
    public static readonly ResourceType<JsonObject>[] Made =
    [
        Kinds.InferenceServices, Kinds.DataLoads, Kinds.Datasets, Kinds.JindoRuntimes, Kinds.Services, Kinds.Revisions, Kinds.PodAutoscalers, Kinds.Pods, Kinds.Claims,
    ];

    private readonly ConcurrentDictionary<(string Kind, string Name, string Uid), string?> _seen = new();

    public IEnumerable<string> Objects => _seen.Keys.Select(k => $"{k.Kind}/{k.Name}").Distinct();

    /// <summary>How many DataLoads ever existed for a version, without those that brought back what a cache had lost.</summary>
    public int Loads(string version) => _seen.Count(s => s.Key.Kind == "DataLoad" && s.Value == version && !s.Key.Name.Contains("-wake", StringComparison.Ordinal));

    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(Made.Select(type => FollowAsync(type, cancellationToken)));

    /// <summary>What is left of <see cref="Made"/>, and of the volumes.</summary>
    public async Task<List<string>> LeftAsync(CancellationToken cancellationToken)
    {
        var left = new List<string>();
        foreach (var type in Made)
        {
            left.AddRange((await api.ListAsync(type, ns, null, cancellationToken)).Items.Select(o => $"{type.Kind} {o.Name()}"));
        }

        left.AddRange((await api.ListAsync(Kinds.Volumes, null, null, cancellationToken)).Items
            .Where(v => v.Name().StartsWith(ns + "-", StringComparison.Ordinal)).Select(v => $"PersistentVolume {v.Name()}"));
        left.AddRange((await api.ListAsync(Kinds.Nodes, null, null, cancellationToken)).Items
            .SelectMany(n => (n.At("metadata", "labels") as JsonObject ?? []).Where(l => l.Key.StartsWith($"fluid.io/s-{ns}-", StringComparison.Ordinal)).Select(l => $"label {l.Key} on {n.Name()}")));
        return left;
    }

    private async Task FollowAsync(ResourceType<JsonObject> type, CancellationToken cancellationToken)
    {
        await foreach (var change in new Reflector<JsonObject>(api, type, ns, null, TimeProvider.System, new Random(3)).RunAsync(cancellationToken))
        {
            foreach (var obj in change switch { Delta<JsonObject>.Replace all => all.Items, Delta<JsonObject>.Upsert one => [one.Object], _ => [] })
            {
                _seen[(type.Kind, obj.Name(), obj.Text("metadata", "uid")!)] = obj.Text("metadata", "labels", "prewarm.dev/version");
            }
        }
    }
}
