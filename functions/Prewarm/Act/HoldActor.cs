using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Holds pods up without a new Revision: 1. the budget is charged first, for as long as the hold lasts unless it is renewed; 2. min-scale on the Revision itself (Knative 1.21 and newer); 3. on its PodAutoscaler too
/// where that has not followed after a while (before 1.21); 4. a request through the gateway as long as no pod is there; 5. what has run out is taken back from both.
/// </summary>
internal sealed class HoldActor(IKubeApi api, FrontDoor door, PrewarmOptions options, TimeProvider time, ILogger<HoldActor> logger)
{
    private sealed record Watched(DateTimeOffset Since, DateTimeOffset? Ready, DateTimeOffset? Ended, bool Measured = false);

    private readonly ConcurrentDictionary<ModelKey, Watched> _watched = new();

    // One a model at most.
    private readonly ConcurrentDictionary<ModelKey, Task> _knocks = new();

    /// <param name="others">Pod-seconds of this day of the namespace's other models.</param>
    /// <param name="tell">Writes the status, and with it what is charged.</param>
    public async Task<PrewarmStatus> HoldAsync(CachedModel model, string revision, PrewarmPlan plan, PrewarmStatus status, double others, Func<PrewarmStatus, Task> tell, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var key = model.Key();
        if (await api.GetAsync(PrewarmKinds.Revisions, key.Namespace, revision, cancellationToken) is not { } held)
        {
            return status with { Pods = 0, Until = null };
        }

        var hold = PrewarmHold.Of(held.Metadata);
        var most = int.TryParse(held.Metadata.Annotations?.GetValueOrDefault(PrewarmHold.MaxScale), NumberStyles.None, CultureInfo.InvariantCulture, out var max) && max > 0 ? max : int.MaxValue;
        var pods = Math.Min(plan.Pods, most);
        // What a person's own min-scale keeps up is never lowered for the time of a hold.
        if (int.TryParse(hold is null ? held.Metadata.Annotations?.GetValueOrDefault(PrewarmHold.MinScale) : hold.Before, NumberStyles.None, CultureInfo.InvariantCulture, out var theirs) && theirs >= pods)
        {
            return status with { Pods = 0, Until = null };
        }

        var made = false;
        var until = now + options.Lease < plan.Until!.Value ? now + options.Lease : plan.Until.Value;
        if (hold is null || hold.Until <= now || hold.Pods != pods || (hold.Until < until && hold.Until - now < options.Lease / 2))
        {
            // 1
            var from = hold is not null && hold.Pods >= pods && hold.Until > now ? hold.Until : now;
            var today = TimeSpan.Zero <= until - from ? Math.Max(0, (until - from).TotalSeconds) * pods : 0;
            status = status.Today(now);
            var left = Math.Min(Left(model.Spec!.Prewarm.Budget.PodHours, status.PodSeconds),
                Left(options.NamespacePodHours.TryGetValue(key.Namespace, out var hours) ? hours : null, status.PodSeconds + others));
            if (today > left)
            {
                until = from + TimeSpan.FromSeconds(left / pods);
                today = left;
            }

            if (until <= now + TimeSpan.FromSeconds(1) && (hold is null || hold.Until <= now))
            {
                return status with { Pods = 0, Until = null, Why = "budget: what this day may cost is spent" };
            }

            if (until > from)
            {
                status = status with { Pods = pods, Until = Whole(until), PodSeconds = Math.Round(status.PodSeconds + today, 1), Why = plan.Why };
                await tell(status);
                // 2
                made = hold is null;
                hold = new(pods, hold?.Since ?? now, until, hold is null ? held.Metadata.Annotations?.GetValueOrDefault(PrewarmHold.MinScale) : hold.Before);
                await api.MergePatchAsync(PrewarmKinds.Revisions, key.Namespace, revision, hold.Patch(), null, cancellationToken);
                Log.Held(logger, key, pods, revision, until, plan.Why);
            }
        }

        var autoscaler = await api.GetAsync(PrewarmKinds.Autoscalers, key.Namespace, revision, cancellationToken);
        // 3
        if (autoscaler is not null && now - hold!.Since > options.Follow
            && autoscaler.Metadata.Annotations?.GetValueOrDefault(PrewarmHold.MinScale) != hold.Pods.ToString(CultureInfo.InvariantCulture))
        {
            var before = PrewarmHold.Of(autoscaler.Metadata) is { } own ? own.Before : autoscaler.Metadata.Annotations?.GetValueOrDefault(PrewarmHold.MinScale);
            await api.MergePatchAsync(PrewarmKinds.Autoscalers, key.Namespace, revision, (hold with { Before = before }).Patch(), null, cancellationToken);
        }

        // 4
        var up = autoscaler?.Status?.ActualScale is > 0;
        // A load that is late or has failed leaves the pod reading from remote: who calls then waits, as for a cold start.
        var warm = up && model.Status?.Locality?.Verdict is not ("Cold" or "Partial");
        if (!up && _knocks.GetValueOrDefault(key) is not { IsCompleted: false })
        {
            // Not waited for: the activator answers when a pod is there, and all models' holds are renewed by the same tick.
            _knocks[key] = KnockAsync(model);
        }

        // What a process before has held: when its pods came nobody knows here, so nothing is measured.
        var watched = _watched.GetOrAdd(key, _ => new(hold!.Since, !made && warm ? hold.Since : null, null, Measured: !made));
        _watched[key] = watched with { Ready = watched.Ready ?? (warm ? now : null), Ended = null };
        return status with { Pods = hold!.Pods, Until = Whole(hold.Until) };
    }

    /// <summary>Counts what came of a hold, when reports of its last minute have had time to come.</summary>
    public PrewarmStatus Judge(ModelKey key, PrewarmStatus status, IReadOnlyList<ArrivalMinute> recent, DateTimeOffset now)
    {
        if (status.Pods > 0 || !_watched.TryGetValue(key, out var watched))
        {
            return status;
        }

        if (watched.Ended is not { } ended)
        {
            _watched[key] = watched with { Ended = now };
            return status;
        }

        if (now - ended < options.Settle)
        {
            return status;
        }

        _watched.TryRemove(key, out _);
        var (since, until) = (watched.Since.ToUnixTimeMilliseconds() / 1000.0, ended.ToUnixTimeMilliseconds() / 1000.0);
        var first = recent.Where(m => m.LastAt >= since && m.FirstAt <= until).Select(m => Math.Max(m.FirstAt, since)).DefaultIfEmpty(double.NaN).First();
        var result = double.IsNaN(first) ? "wasted" : watched.Ready is not { } ready || first < ready.ToUnixTimeMilliseconds() / 1000.0 ? "late" : "hit";
        PrewarmMetrics.Came(result);
        return status with { Hits = status.Hits + (result == "hit" ? 1 : 0), Late = status.Late + (result == "late" ? 1 : 0), Wasted = status.Wasted + (result == "wasted" ? 1 : 0) };
    }

    /// <summary>Seconds that the pods held now took to be there, once; null: nothing new, or they were there before.</summary>
    public double? Took(ModelKey key)
    {
        if (!_watched.TryGetValue(key, out var watched) || watched.Ready is not { } ready || watched.Measured)
        {
            return null;
        }

        _watched[key] = watched with { Measured = true };
        return (ready - watched.Since).TotalSeconds is > 1 and var seconds ? seconds : null;
    }

    /// <summary>5: takes back what has run out, and what belongs to a model that is paused or gone.</summary>
    /// <remarks>What is refused for one object, or in one namespace, keeps nothing else from being taken back.</remarks>
    public async Task ReapAsync(string? ns, CatalogSnapshot models, DateTimeOffset now, CancellationToken cancellationToken)
    {
        foreach (var gone in _watched.Keys.Concat(_knocks.Keys).Where(k => !models.ByKey.ContainsKey(k)).ToHashSet())
        {
            _watched.TryRemove(gone, out _);
            _knocks.TryRemove(gone, out _);
        }

        foreach (var kind in (ResourceType<Scaled>[])[PrewarmKinds.Revisions, PrewarmKinds.Autoscalers])
        {
            try
            {
                foreach (var held in (await api.ListAsync(kind, ns, PrewarmHold.Label + "=true", cancellationToken)).Items)
                {
                    if (PrewarmHold.Of(held.Metadata) is { } hold && (hold.Until <= now || Unwanted(held.Metadata, models)))
                    {
                        await LetGoAsync(kind, held.Metadata, hold, cancellationToken);
                    }
                }
            }
            catch (Exception e) when (PrewarmTick.Expected(e))
            {
                Log.NotReaped(logger, kind.Plural, ns ?? "every namespace", e.Message);
            }
        }
    }

    private async Task LetGoAsync(ResourceType<Scaled> kind, ObjectMeta held, PrewarmHold hold, CancellationToken cancellationToken)
    {
        try
        {
            await api.MergePatchAsync(kind, held.Namespace, held.Name!, hold.Undo(), null, cancellationToken);
            Log.LetGo(logger, held.Namespace ?? "", held.Name!);
        }
        catch (KubeApiException e) when (e.IsNotFound)
        {
            // Deleted meanwhile.
        }
        catch (Exception e) when (PrewarmTick.Expected(e))
        {
            Log.NotReaped(logger, kind.Plural, $"{held.Namespace}/{held.Name}", e.Message);
        }
    }

    private async Task KnockAsync(CachedModel model) => Log.Knocked(logger, model.Key(), await door.KnockAsync(model, time));

    private static bool Unwanted(ObjectMeta held, CatalogSnapshot models) =>
        models.Models.FirstOrDefault(m => m.Metadata.Namespace == held.Namespace && m.Status?.Versions?.Exists(v => v.Revision == held.Name) == true) is not { } model
        || model.Spec?.Prewarm.Paused == true;

    private static double Left(double? podHours, double spent) => podHours is { } hours ? Math.Max(0, (hours * 3600) - spent) : double.PositiveInfinity;

    private static DateTimeOffset Whole(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
}
