using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

/// <summary>Runs a controller for one kind: an object is reconciled after each change of it and of the objects it owns, one run at a time.</summary>
internal sealed class Follower(IKubeApi api, ResourceType<JsonObject> type, Func<JsonObject, CancellationToken, Task> reconcile, TimeProvider time, Action<string> log)
{
    /// <summary>Kinds whose changes concern an object of this kind, with the way to its name.</summary>
    public (ResourceType<JsonObject> Type, Func<JsonObject, string?> Name)[] Also { get; init; } = [];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var queue = new KeyedQueue<(string Namespace, string Name)>(OneAsync, m => log($"{type.Kind} {m}"), time, cancellationToken);
        await Task.WhenAll(Also.Prepend((type, o => o.Name())).Select(k => FollowAsync(k.Item1, k.Item2, queue, cancellationToken)));
    }

    private async Task OneAsync((string Namespace, string Name) key, CancellationToken cancellationToken)
    {
        if (await api.GetAsync(type, type.Namespaced ? key.Namespace : null, key.Name, cancellationToken) is { } obj)
        {
            await reconcile(obj, cancellationToken);
        }
    }

    private async Task FollowAsync(ResourceType<JsonObject> kind, Func<JsonObject, string?> name, KeyedQueue<(string, string)> queue, CancellationToken cancellationToken)
    {
        await foreach (var change in new Reflector<JsonObject>(api, kind, null, null, time, new Random(29)).RunAsync(cancellationToken))
        {
            JsonObject[] seen = change switch
            {
                Delta<JsonObject>.Replace all => [.. all.Items],
                Delta<JsonObject>.Upsert one => [one.Object],
                Delta<JsonObject>.Remove { Object: { } gone } => [gone],
                _ => [],
            };
            foreach (var obj in seen)
            {
                if (name(obj) is { } key)
                {
                    queue.Add((obj.Namespace(), key));
                }
            }
        }
    }
}
