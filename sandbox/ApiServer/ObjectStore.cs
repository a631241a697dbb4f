using System.Text;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>One change, as watches see it.</summary>
/// <param name="Namespace">Empty for cluster-scoped objects.</param>
/// <param name="Before">The object before the change; null for a creation.</param>
internal sealed record Change(long Version, string Type, Kind Kind, string Namespace, string Name, string Uid, byte[] Object, byte[]? Before);

/// <summary>Where an object is.</summary>
internal sealed record Place(Kind Kind, string? Namespace, string Name);

/// <summary>
/// Objects in memory as JSON text under one lock: readers get their own parsed copy, so nothing is shared between requests. What is read is found under the lock and parsed outside it, and
/// labels are kept beside the text, so that a list of few among many costs what the few cost.
/// Each kind has its own history and its own signal, so that a watch wakes only for its kind.
/// </summary>
internal sealed class ObjectStore(int history)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Bucket> _buckets = [];
    private readonly Dictionary<string, Place> _byUid = [];
    private readonly Dictionary<string, HashSet<string>> _dependents = [];
    private long _version = 1;

    public Lock Gate => _gate;

    public long Version { get { lock (_gate) { return _version; } } }

    /// <summary>Watches and pages from before this version get 410.</summary>
    public long Compacted { get; private set; }

    /// <summary>Called with each change, under the gate.</summary>
    public Action<Change>? Changed { get; set; }

    public JsonObject? Get(Kind kind, string? ns, string name)
    {
        Stored? stored;
        lock (_gate)
        {
            stored = Of(kind).Objects.GetValueOrDefault(Key(ns, name));
        }

        return stored is null ? null : Parse(stored.Json, kind);
    }

    /// <summary>The version of a kind's last change; 0 before the first.</summary>
    public long Latest(Kind kind)
    {
        lock (_gate)
        {
            return Of(kind).Latest;
        }
    }

    /// <summary>The place of a live object.</summary>
    public Place? Find(string uid)
    {
        lock (_gate)
        {
            return _byUid.GetValueOrDefault(uid);
        }
    }

    /// <summary>Places of the objects whose ownerReferences name a uid.</summary>
    public List<Place> Dependents(string uid)
    {
        lock (_gate)
        {
            return _dependents.TryGetValue(uid, out var uids) ? [.. uids.Select(u => _byUid[u])] : [];
        }
    }

    public List<JsonObject> List(Kind kind, string? ns, Selector? selector = null) => Snapshot(kind, ns, selector).Items;

    /// <summary>A list and the version it was made at.</summary>
    public (List<JsonObject> Items, long Version) Snapshot(Kind kind, string? ns, Selector? selector)
    {
        List<Stored> found;
        long version;
        lock (_gate)
        {
            found = [.. Of(kind).Objects.Values.Where(s => (ns is null || s.Namespace == ns) && (selector is not { OfHeads: true } || selector.Matches(s.Head)))];
            version = _version;
        }

        return ([.. found.Select(s => Parse(s.Json, kind)).Where(o => selector is null or { OfHeads: true } || selector.Matches(o))], version);
    }

    public bool IsEmpty(Kind kind, string ns)
    {
        lock (_gate)
        {
            return !Of(kind).Objects.Values.Any(s => s.Namespace == ns);
        }
    }

    /// <summary>Stores <paramref name="obj"/> under the next resourceVersion. The caller holds the gate when it has read first.</summary>
    public JsonObject Put(Kind kind, JsonObject obj)
    {
        lock (_gate)
        {
            var meta = obj["metadata"]!.AsObject();
            var bucket = Of(kind);
            var (ns, name, uid) = ((string?)meta["namespace"], (string)meta["name"]!, (string?)meta["uid"] ?? "");
            bucket.Objects.TryGetValue(Key(ns, name), out var before);
            meta["resourceVersion"] = (++_version).ToString();
            var head = new JsonObject { ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = ns, ["labels"] = meta["labels"]?.DeepClone() } };
            var stored = new Stored(Encoding.UTF8.GetBytes(obj.ToJsonString()), head, ns ?? "", uid,
                [.. (meta["ownerReferences"] as JsonArray ?? []).Select(o => (string?)o?["uid"] ?? "").Distinct()]);
            bucket.Objects[Key(ns, name)] = stored;
            Unlink(before);
            _byUid[uid] = new(kind, ns, name);
            foreach (var owner in stored.Owners)
            {
                if (!_dependents.TryGetValue(owner, out var uids))
                {
                    _dependents[owner] = uids = [];
                }

                uids.Add(uid);
            }

            Record(bucket, new(_version, before is null ? "ADDED" : "MODIFIED", kind, ns ?? "", name, uid, stored.Json, before?.Json));
            return obj;
        }
    }

    /// <summary>Removes an object; <paramref name="last"/> is the state that watches see, where it differs from the stored one.</summary>
    public JsonObject? Remove(Kind kind, string? ns, string name, JsonObject? last = null)
    {
        lock (_gate)
        {
            var bucket = Of(kind);
            if (!bucket.Objects.Remove(Key(ns, name), out var before))
            {
                return null;
            }

            Unlink(before);
            _byUid.Remove(before.Uid);
            var obj = last?.DeepClone().AsObject() ?? Parse(before.Json, kind);
            obj["metadata"]!["resourceVersion"] = (++_version).ToString();
            Record(bucket, new(_version, "DELETED", kind, ns ?? "", name, before.Uid, Encoding.UTF8.GetBytes(obj.ToJsonString()), before.Json));
            return obj;
        }
    }

    /// <summary>Changes of a kind after <paramref name="from"/> and a task that ends with the next one.</summary>
    /// <param name="live">The watch has seen everything until <paramref name="from"/>: a compaction since then does not end it.</param>
    /// <exception cref="ApiFailure">410: what comes after <paramref name="from"/> is forgotten.</exception>
    public (List<Change> Changes, long Version, Task Next) After(long from, Kind kind, bool live = false)
    {
        lock (_gate)
        {
            var bucket = Of(kind);
            if (from < bucket.Forgotten || (!live && from < Compacted))
            {
                throw ApiFailure.Expired(from, Math.Max(bucket.Forgotten, live ? 0 : Compacted));
            }

            var first = bucket.Changes.Count;
            while (first > 0 && bucket.Changes[first - 1].Version > from)
            {
                first--;
            }

            return (bucket.Changes[first..], _version, bucket.Signal.Task);
        }
    }

    /// <summary>As etcd's compaction: watches that start from an older version, and older continue tokens, get 410.</summary>
    public void Compact()
    {
        lock (_gate)
        {
            Compacted = _version;
        }
    }

    public static JsonObject Parse(byte[] json) => JsonNode.Parse(json)!.AsObject();

    // Versions of a kind differ in nothing but their name here.
    private static JsonObject Parse(byte[] json, Kind kind)
    {
        var obj = Parse(json);
        if ((string?)obj["apiVersion"] != kind.ApiVersion)
        {
            obj["apiVersion"] = kind.ApiVersion;
        }

        return obj;
    }

    private void Unlink(Stored? stored)
    {
        foreach (var owner in stored?.Owners ?? [])
        {
            if (_dependents.TryGetValue(owner, out var uids) && uids.Remove(stored!.Uid) && uids.Count == 0)
            {
                _dependents.Remove(owner);
            }
        }
    }

    private void Record(Bucket bucket, Change change)
    {
        bucket.Changes.Add(change);
        bucket.Latest = change.Version;
        if (bucket.Changes.Count > history)
        {
            var drop = Math.Max(1, history / 10);
            bucket.Forgotten = bucket.Changes[drop - 1].Version;
            bucket.Changes.RemoveRange(0, drop);
        }

        var signal = bucket.Signal;
        bucket.Signal = new(TaskCreationOptions.RunContinuationsAsynchronously);
        signal.SetResult();
        Changed?.Invoke(change);
    }

    private Bucket Of(Kind kind)
    {
        if (!_buckets.TryGetValue(kind.Resource, out var bucket))
        {
            _buckets[kind.Resource] = bucket = new();
        }

        return bucket;
    }

    private static string Key(string? ns, string name) => $"{ns}/{name}";

    /// <param name="Head">Name, namespace and labels, to be read under the gate only.</param>
    private sealed record Stored(byte[] Json, JsonObject Head, string Namespace, string Uid, string[] Owners);

    private sealed class Bucket
    {
        public SortedDictionary<string, Stored> Objects { get; } = new(StringComparer.Ordinal);
        public List<Change> Changes { get; } = [];
        public TaskCompletionSource Signal { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public long Forgotten { get; set; }
        public long Latest { get; set; }
    }
}
