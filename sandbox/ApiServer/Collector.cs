using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// Owner-reference garbage collection, as kube-controller-manager does it beside the server: a moment after the request.
/// <list type="number">
/// <item>An object none of whose owners exists goes; one that has lost some of several keeps the others.</item>
/// <item>foregroundDeletion: the dependents go first, the owner when no dependent with blockOwnerDeletion is left.</item>
/// <item>orphan: the dependents lose the reference, then the owner goes.</item>
/// </list>
/// An owner counts only where it can be: in the same namespace or cluster-scoped, with the same uid. References to kinds that are not served keep an object alive.
/// </summary>
internal sealed class Collector(ObjectStore store, Registry registry, Writer writer, Deletions deletions)
{
    private static readonly WriteOptions s_options = new("garbage-collector");
    private readonly Channel<(string Uid, bool Gone, string[] Owners)> _work = Channel.CreateUnbounded<(string, bool, string[])>();

    /// <summary>Takes changes that may matter; called under the store's gate.</summary>
    public void Notice(Change change)
    {
        var gone = change.Type == "DELETED";
        if (gone || change.Object.AsSpan().IndexOf("\"ownerReferences\""u8) >= 0 || change.Object.AsSpan().IndexOf("\"deletionTimestamp\""u8) >= 0)
        {
            var owners = gone ? Owners(ObjectStore.Parse(change.Object)).Select(o => (string?)o["uid"] ?? "").ToArray() : [];
            _work.Writer.TryWrite((change.Uid, gone, owners));
        }
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await foreach (var (uid, gone, owners) in _work.Reader.ReadAllAsync(cancellationToken))
        {
            try
            {
                if (gone)
                {
                    store.Dependents(uid).ForEach(Sweep);
                    Array.ForEach(owners, o => Wanted(o));
                }
                else if (store.Find(uid) is { } place)
                {
                    Sweep(place);
                    Wanted(uid);
                }
            }
            catch (ApiFailure)
            {
                // Changed under our hands: the change itself is in the queue.
            }
        }
    }

    // 1
    private void Sweep(Place place)
    {
        lock (store.Gate)
        {
            if (store.Get(place.Kind, place.Namespace, place.Name) is not { } obj || Owners(obj).ToList() is not { Count: > 0 } owners)
            {
                return;
            }

            var solid = owners.Where(o => Exists(o, place.Namespace)).ToList();
            if (solid.Count == owners.Count)
            {
                return;
            }

            if (solid.Count == 0)
            {
                if (obj["metadata"]!["deletionTimestamp"] is null)
                {
                    deletions.Delete(place.Kind, obj, "Background");
                }

                return;
            }

            Keep(place, o => solid.Any(s => (string?)s["uid"] == (string?)o["uid"]));
        }
    }

    // 2, 3
    private void Wanted(string uid)
    {
        lock (store.Gate)
        {
            if (store.Find(uid) is not { } place || store.Get(place.Kind, place.Namespace, place.Name) is not { } owner || owner["metadata"]!["deletionTimestamp"] is null)
            {
                return;
            }

            var finalizers = (owner["metadata"]!["finalizers"] as JsonArray ?? []).Select(f => (string?)f).ToList();
            var done = finalizers.Contains(Deletions.Orphan) ? Deletions.Orphan : finalizers.Contains(Deletions.Foreground) ? Deletions.Foreground : null;
            if (done == Deletions.Orphan)
            {
                store.Dependents(uid).ForEach(d => Keep(d, o => (string?)o["uid"] != uid));
            }
            else if (done == Deletions.Foreground)
            {
                foreach (var dependent in store.Dependents(uid))
                {
                    if (store.Get(dependent.Kind, dependent.Namespace, dependent.Name) is { } obj && obj["metadata"]!["deletionTimestamp"] is null)
                    {
                        deletions.Delete(dependent.Kind, obj, store.Dependents((string)obj["metadata"]!["uid"]!).Count > 0 ? "Foreground" : "Background");
                    }
                }

                if (store.Dependents(uid).Any(d => Owners(store.Get(d.Kind, d.Namespace, d.Name)!).Any(o => (string?)o["uid"] == uid && (bool?)o["blockOwnerDeletion"] == true)))
                {
                    return;
                }
            }

            if (done is not null && store.Find(uid) is not null)
            {
                writer.Change(place.Kind, place.Namespace, place.Name, "", s_options, o =>
                {
                    o["metadata"]!["finalizers"] = new JsonArray([.. o["metadata"]!["finalizers"]!.AsArray().Where(f => (string?)f != done).Select(f => f!.DeepClone())]);
                    return o;
                });
            }
        }
    }

    private void Keep(Place place, Func<JsonObject, bool> which) => writer.Change(place.Kind, place.Namespace, place.Name, "", s_options, obj =>
    {
        var kept = Owners(obj).Where(which).Select(o => (JsonNode)o.DeepClone()).ToArray();
        var meta = obj["metadata"]!.AsObject();
        meta.Remove("ownerReferences");
        if (kept.Length > 0)
        {
            meta["ownerReferences"] = new JsonArray(kept);
        }

        return obj;
    });

    private bool Exists(JsonObject reference, string? ns)
    {
        if (registry.Kinds.All(k => k.ApiVersion != (string?)reference["apiVersion"] || k.Name != (string?)reference["kind"]))
        {
            return true;
        }

        return store.Find((string?)reference["uid"] ?? "") is { } owner && (owner.Namespace is null || owner.Namespace == ns)
            && owner.Name == (string?)reference["name"] && owner.Kind.Name == (string?)reference["kind"];
    }

    private static IEnumerable<JsonObject> Owners(JsonObject obj) => (obj["metadata"]?["ownerReferences"] as JsonArray ?? []).OfType<JsonObject>();
}
