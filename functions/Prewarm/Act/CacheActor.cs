using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Lets a cache go and takes it back. The line is the one writer of Fluid's objects: it is asked by a mark on the CachedModel for no workers, and by <see cref="WakeLoads"/> for the DataLoad, as an upload's is made.
/// The Dataset and its volume stay, so a model whose cache is away still answers, slowly. 1. A budget is charged before the mark says until when it is kept, and when it is spent the cache goes; 2. the mark; 3. what
/// is to be there and is not is loaded.
/// </summary>
internal sealed class CacheActor(IKubeApi api, WakeLoads loads, CacheChoice choice, PrewarmOptions options, TimeProvider time, ILogger<CacheActor> logger)
{
    // A load that did not help is not made again at once: each is a Job, and may read all bytes from remote.
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<ModelKey, DateTimeOffset> _loading = new();
    private readonly ConcurrentDictionary<ModelKey, (TimeSpan Pause, DateTimeOffset Next)> _loads = new();

    /// <summary>Seconds that the load which has just ended took, from asking for it to its bytes being there, once; null: none has ended.</summary>
    public double? Took(CachedModel model, DateTimeOffset now)
    {
        if (model.Status?.Locality?.Verdict is not ("Local" or "Spread" or "Remote"))
        {
            return null;
        }

        _loads.TryRemove(model.Key(), out _);
        return _loading.TryRemove(model.Key(), out var since) ? Math.Max(0, (now - since).TotalSeconds) : null;
    }

    /// <summary>Whether pods read from it now. What cannot be asked is not taken away.</summary>
    public async Task<bool> InUseAsync(ModelLook look, CancellationToken cancellationToken) =>
        await api.GetAsync(PrewarmKinds.Autoscalers, look.Key.Namespace, look.Revision, cancellationToken) is not { Status: { ActualScale: null or 0, DesiredScale: null or 0 } };

    /// <param name="tell">Writes the status, and with it what is charged.</param>
    /// <returns>With <see cref="PrewarmStatus.Cache"/> Kept or Released.</returns>
    public async Task<PrewarmStatus> ActAsync(ModelLook look, CacheOrder order, Func<PrewarmStatus, Task> tell, DateTimeOffset now, CancellationToken cancellationToken)
    {
        look = order.Fewer ? look with { WorkersBack = null } : look;
        var (key, status, keep, gone) = (look.Key, look.Told, order.Keep, look.Mark.Gone(now));
        // 1
        if (keep && choice.Counted(look))
        {
            var today = status.Today(now);
            if (CacheCharge.Pay(today, look.Gigabytes(now), choice.GbSecondsLeft(look, today), now, options.CacheLease) is { } paid)
            {
                if (paid != status)
                {
                    status = paid;
                    await tell(status);
                }
            }
            else
            {
                keep = false;
            }
        }
        else if (keep)
        {
            status = status with { CacheGb = null, CacheUntil = null };
        }

        // 2
        var workers = Workers(look, gone, now);
        if (look.Ours && (keep ? new CacheMark(false, status.CacheUntil, workers) : new CacheMark(true, null)).Text is var text && text != look.Mark.Text)
        {
            await MarkAsync(key, text, cancellationToken);
            if (keep && gone)
            {
                _loading[key] = time.GetUtcNow();
                choice.Came(key, now);
                Log.Cache(logger, key, "taken back", look.Plan.Why);
            }
            else if (!keep && !gone)
            {
                _loading.TryRemove(key, out _);
                _loads.TryRemove(key, out _);
                choice.Left(key, now);
                Log.Cache(logger, key, "released", order.Why ?? look.Plan.Why);
            }
        }

        if (!keep)
        {
            return CacheCharge.Return(status, now) with { Cache = "Released" };
        }

        // 3
        var prepared = look.Plan.Pods > 0 || look.Spec.Cache == "Release" || _loading.ContainsKey(key) || (look.Ours && (choice.Bound(key.Namespace) || choice.Counted(look)));
        if (!gone && prepared && look.Mark.Workers == look.Serving.Workers && look.Model.Status?.Locality is { Verdict: "Cold" or "Partial", Reason: not "RuntimeNotReady" }
            && (!_loads.TryGetValue(key, out var last) || now >= last.Next))
        {
            _loading.TryAdd(key, time.GetUtcNow());
            if ((await loads.LoadAsync(key, null, cancellationToken)).Load is not null)
            {
                var pause = last.Pause == TimeSpan.Zero ? FirstPause : last.Pause * 4 < LongestPause ? last.Pause * 4 : LongestPause;
                _loads[key] = (pause, now + pause);
            }
        }

        return status with { Cache = "Kept" };
    }

    /// <summary>Forgets models that are no more.</summary>
    public void Keep(IReadOnlySet<ModelKey> models)
    {
        foreach (var gone in _loading.Keys.Concat(_loads.Keys).Where(k => !models.Contains(k)).ToHashSet())
        {
            _loading.TryRemove(gone, out _);
            _loads.TryRemove(gone, out _);
        }
    }

    /// <summary>What the mark is to say: as many as it is taken back with; while it is kept what was said, and after a moment what became of it, because a version may have come with fewer.</summary>
    private int? Workers(ModelLook look, bool gone, DateTimeOffset now) => gone ? look.WorkersBack : choice.Coming(look.Key, now) ? look.Mark.Workers : look.Serving.Workers;

    private Task MarkAsync(ModelKey key, string? value, CancellationToken cancellationToken) =>
        api.MergePatchAsync(PrewarmKinds.Models, key.Namespace, key.Name,
            new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Ownership.CacheAnnotation] = value } } }.ToJsonString(), null, cancellationToken);
}
