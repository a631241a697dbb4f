using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What is remembered of each model, in ConfigMaps: 1. a model's own shard of <see cref="Shards"/>, so that 2,000 models of 4 KB stay below 500 KB each; 2. only shards that have changed are written, at most once a
/// <see cref="Pace"/>; 3. a write names the resourceVersion it read, and a conflict joins what another writer has put there: nothing is lost by two; 4. what cannot be read, being corrupt or newer, is kept aside.
/// </summary>
internal sealed class MemoryStore(IKubeApi api, PrewarmOptions options, TimeProvider time, ILogger<MemoryStore> logger)
{
    public const int Shards = 32;
    public static readonly TimeSpan Pace = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, ServiceMemory> _memories = new(StringComparer.Ordinal);
    private readonly HashSet<int> _dirty = [];
    private readonly Dictionary<string, DateTimeOffset> _gone = new(StringComparer.Ordinal);
    private readonly HashSet<string> _forgotten = new(StringComparer.Ordinal);
    private DateTimeOffset? _saved;
    private bool _loaded;

    /// <summary>A model that is gone for so long is forgotten: one that is made anew meanwhile goes on.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromMinutes(10);

    /// <summary>Null: nothing is known.</summary>
    public ServiceMemory? Of(ModelKey model) => _memories.GetValueOrDefault(Key(model));

    /// <summary>Calls in minutes that are old enough for late and reordered reports to have come, and that were not learned from: each once, also after a restart, because what lies before the last one learned is left out.</summary>
    public IEnumerable<double> New(ModelKey model, IReadOnlyList<ArrivalMinute> minutes, DateTimeOffset settled)
    {
        var last = Of(model) is { Seen: > 0 } memory ? memory.Last : double.NegativeInfinity;
        foreach (var minute in minutes)
        {
            if ((minute.At + 1) * 60 > settled.ToUnixTimeSeconds() || minute.FirstAt <= last)
            {
                continue;
            }

            yield return minute.FirstAt;
            if (minute.LastAt > minute.FirstAt)
            {
                yield return minute.LastAt;
            }
        }
    }

    /// <summary>The model's memory, to be changed: it is saved.</summary>
    public ServiceMemory Change(ModelKey model)
    {
        var key = Key(model);
        if (!_memories.TryGetValue(key, out var memory))
        {
            _memories[key] = memory = new();
        }

        _dirty.Add(Shard(key));
        return memory;
    }

    /// <summary>Gives a model that nothing is remembered of what a history taught.</summary>
    /// <returns>False: something is.</returns>
    public bool Begin(ModelKey model, ServiceMemory memory)
    {
        var key = Key(model);
        if (_memories.TryGetValue(key, out var there) && there.Seen > 0)
        {
            return false;
        }

        _memories[key] = memory;
        _dirty.Add(Shard(key));
        return true;
    }

    /// <summary>Forgets models that are no more, also in what was saved.</summary>
    /// <param name="namespaces">Whose models are known here; empty: all. What others remember is theirs.</param>
    public void Keep(IReadOnlySet<ModelKey> models, IReadOnlyList<string> namespaces, DateTimeOffset now)
    {
        var kept = models.Select(Key).ToHashSet(StringComparer.Ordinal);
        foreach (var key in _gone.Keys.Where(kept.Contains).ToList())
        {
            _gone.Remove(key);
        }

        foreach (var key in _memories.Keys.Where(k => !kept.Contains(k) && (namespaces.Count == 0 || namespaces.Any(ns => k.StartsWith(ns + "_", StringComparison.Ordinal)))).ToList())
        {
            if (_gone.TryAdd(key, now) || now - _gone[key] < Remembered)
            {
                continue;
            }

            _gone.Remove(key);
            _memories.Remove(key);
            _forgotten.Add(key);
            _dirty.Add(Shard(key));
        }
    }

    /// <summary>Another has written meanwhile: the next <see cref="LoadAsync"/> takes what it has put there too.</summary>
    public void ReadAgain() => _loaded = false;

    /// <summary>Reads what the last process left; once.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        if (_loaded)
        {
            return;
        }

        foreach (var map in (await api.ListAsync(PrewarmKinds.ConfigMaps, options.StateNamespace, StateMaps.Label + "=memory", cancellationToken)).Items)
        {
            foreach (var (key, text) in map.BinaryData ?? [])
            {
                if (!key.StartsWith(StateMaps.Aside, StringComparison.Ordinal) && Read(key, text) is { } memory)
                {
                    _memories[key] = _memories.TryGetValue(key, out var there) ? ServiceMemory.Join(there, memory) : memory;
                }
            }
        }

        _loaded = true;
    }

    /// <summary>Writes the shards that have changed, unless it did so less than <see cref="Pace"/> ago.</summary>
    public async Task SaveAsync(bool now, CancellationToken cancellationToken)
    {
        if (_dirty.Count == 0 || (!now && _saved is { } at && time.GetUtcNow() - at < Pace))
        {
            return;
        }

        _saved = time.GetUtcNow();
        foreach (var shard in _dirty.ToList())
        {
            await SaveAsync(shard, cancellationToken);
            _dirty.Remove(shard);
            _forgotten.RemoveWhere(k => Shard(k) == shard);
        }
    }

    internal static int Shard(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key))[0] % Shards;

    /// <summary>A ConfigMap's key: neither name has an underscore.</summary>
    internal static string Key(ModelKey model) => $"{model.Namespace}_{model.Name}" is { Length: <= 240 } key ? key
        : $"{model.Namespace}_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(model.Name)))}";

    private Task SaveAsync(int shard, CancellationToken cancellationToken)
    {
        var bytes = new byte[ServiceMemoryFormat.Size];
        return StateMaps.UpdateAsync(api, options.StateNamespace, FormattableString.Invariant($"prewarm-memory-{shard:00}"), "memory", (_, data) =>
        {
            foreach (var key in _forgotten.Where(k => Shard(k) == shard && !_memories.ContainsKey(k)))
            {
                data.Remove(key);
                data.Remove(StateMaps.Aside + key);
            }

            foreach (var (key, own) in _memories.Where(m => Shard(m.Key) == shard).ToList())
            {
                var memory = own;
                if (data.TryGetValue(key, out var text))
                {
                    if (Read(key, text) is { } theirs)
                    {
                        _memories[key] = memory = ServiceMemory.Join(own, theirs);
                    }
                    else
                    {
                        data[StateMaps.Aside + key] = text;
                    }
                }

                ServiceMemoryFormat.Write(memory, bytes);
                data[key] = Convert.ToBase64String(bytes);
            }
        }, cancellationToken);
    }

    private ServiceMemory? Read(string key, string text)
    {
        if (ServiceMemoryFormat.TryRead(StateMaps.Bytes(text), out var memory))
        {
            return memory;
        }

        Log.MemoryUnreadable(logger, key, StateMaps.Aside + key);
        return null;
    }
}
