using System.Text;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>One change, as watches see it.</summary>
/// <param name="Before">The object before the change; null for a creation.</param>
internal sealed record Change(long Version, string Type, Kind Kind, byte[] Object, byte[]? Before);

/// <summary>
/// Objects in memory as JSON text under one lock: readers get their own parsed copy, so nothing is shared between requests.
/// </summary>
internal sealed class ObjectStore(int history)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, SortedDictionary<string, byte[]>> _objects = [];
    private readonly List<Change> _changes = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _version = 1;
    private long _forgotten;

    public Lock Gate => _gate;
    public long Version { get { lock (_gate) { return _version; } } }

    public JsonObject? Get(Kind kind, string? ns, string name)
    {
        lock (_gate)
        {
            return Bucket(kind).TryGetValue(Key(ns, name), out var json) ? Parse(json) : null;
        }
    }

    public List<JsonObject> List(Kind kind, string? ns, Selector? selector = null)
    {
        lock (_gate)
        {
            var prefix = ns is null ? "" : ns + "/";
            return [.. Bucket(kind).Where(e => e.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(e => Parse(e.Value)).Where(o => selector?.Matches(o) != false)];
        }
    }

    /// <summary>Stores <paramref name="obj"/> under the next resourceVersion. The caller holds the gate when it has read first.</summary>
    public JsonObject Put(Kind kind, JsonObject obj)
    {
        lock (_gate)
        {
            var meta = obj["metadata"]!.AsObject();
            var bucket = Bucket(kind);
            var key = Key((string?)meta["namespace"], (string)meta["name"]!);
            bucket.TryGetValue(key, out var before);
            meta["resourceVersion"] = (++_version).ToString();
            var json = Encoding.UTF8.GetBytes(obj.ToJsonString());
            bucket[key] = json;
            Record(new(_version, before is null ? "ADDED" : "MODIFIED", kind, json, before));
            return obj;
        }
    }

    public JsonObject? Remove(Kind kind, string? ns, string name)
    {
        lock (_gate)
        {
            if (!Bucket(kind).Remove(Key(ns, name), out var before))
            {
                return null;
            }

            var obj = Parse(before);
            obj["metadata"]!["resourceVersion"] = (++_version).ToString();
            Record(new(_version, "DELETED", kind, Encoding.UTF8.GetBytes(obj.ToJsonString()), before));
            return obj;
        }
    }

    /// <summary>Changes after <paramref name="from"/> and a task that ends with the next one.</summary>
    public (List<Change> Changes, long Version, Task Next) After(long from, Kind kind)
    {
        lock (_gate)
        {
            if (from < _forgotten)
            {
                throw ApiFailure.Expired(from, _forgotten);
            }

            var found = new List<Change>();
            for (var i = _changes.Count - 1; i >= 0 && _changes[i].Version > from; i--)
            {
                if (_changes[i].Kind.Group == kind.Group && _changes[i].Kind.Plural == kind.Plural)
                {
                    found.Add(_changes[i]);
                }
            }

            found.Reverse();
            return (found, _version, _changed.Task);
        }
    }

    /// <summary>Forgets the history, so that older watches get 410.</summary>
    public void Compact()
    {
        lock (_gate)
        {
            _forgotten = _version;
            _changes.Clear();
        }
    }

    public static JsonObject Parse(byte[] json) => JsonNode.Parse(json)!.AsObject();

    private void Record(Change change)
    {
        _changes.Add(change);
        if (_changes.Count > history)
        {
            var drop = Math.Max(1, history / 10);
            _forgotten = _changes[drop - 1].Version;
            _changes.RemoveRange(0, drop);
        }

        var signal = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        signal.SetResult();
    }

    private SortedDictionary<string, byte[]> Bucket(Kind kind)
    {
        var key = kind.Resource;
        if (!_objects.TryGetValue(key, out var bucket))
        {
            _objects[key] = bucket = new(StringComparer.Ordinal);
        }

        return bucket;
    }

    private static string Key(string? ns, string name) => $"{ns}/{name}";
}
