using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Relay;

/// <summary>
/// The one wake of a model, however many requests wait:
/// 1. the cache, as the model's locality policy has it; 2. one readiness request through the gateway, repeated until it passes end to end;
/// 3. those who wait are let go, and the ramp widens each second; 4. from the start if the model was not ready after all;
/// 5. at any time, nothing more when the model is deleted.
/// </summary>
internal sealed class ModelWake(
    ReadinessProbe probe, IWakeRequests requests, IScaleView scale, ICatalog catalog, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<ModelWake> logger)
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    /// <summary>As Knative's activator probes (facts/knative.md §4); doubled up to <see cref="LongestPause"/>.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Below it a model was up all the time, and nothing was learned about cold starts.</summary>
    private static readonly TimeSpan LeastCold = TimeSpan.FromMilliseconds(50);

    /// <summary>How often a load is asked for again while a cold cache is waited for.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(30);

    public async Task RunAsync(ModelHold hold, HoldTotals totals)
    {
        var pause = TimeSpan.Zero;
        do
        {
            using var over = CancellationTokenSource.CreateLinkedTokenSource(lifetime.ApplicationStopping);
            var watching = DeletedAsync(hold.Key, over);
            try
            {
                // 4
                await Task.Delay(pause, time, over.Token);
                pause = Longer(pause);
                if (await WakeAsync(hold, over.Token))
                {
                    // 3
                    while (hold.State == HoldState.Ramping)
                    {
                        await NextAsync(hold.Turned, Second, over.Token);
                        hold.Calm(Bound(hold));
                    }
                }
            }
            catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
            {
                totals.Ending = true;
                hold.End();
                hold.TryGiveUp();
            }
            catch (OperationCanceledException) when (over.IsCancellationRequested)
            {
                // 5
                Log.WakeOfNone(logger, hold.Key, hold.Deleted());
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // Whoever waits is in its hands: it may not end before them.
                Log.WakeBroke(logger, hold.Key, e);
            }
            finally
            {
                await over.CancelAsync();
                await watching;
            }
        }
        while (!hold.TryEnd());
    }

    /// <summary>Ends the wake when the catalog no longer has the model. A list that is read anew replaces the one before at once, so what is missing in a catalog that was ever complete is gone.</summary>
    private async Task DeletedAsync(ModelKey key, CancellationTokenSource over)
    {
        while (!over.IsCancellationRequested)
        {
            var changed = catalog.NextChange;
            if (catalog.Synced.IsCompletedSuccessfully && !catalog.Current.ByKey.ContainsKey(key))
            {
                await over.CancelAsync();
                return;
            }

            await changed.WaitAsync(over.Token).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>True: the wake has passed. False: nobody waits any more and it took too long.</summary>
    private async Task<bool> WakeAsync(ModelHold hold, CancellationToken over)
    {
        var (began, model) = (time.GetTimestamp(), Model(hold));
        var limit = RequestDeadline.ModelTimeout(model);
        var level = scale.Of(hold.Key).Level;
        Log.WakeBegins(logger, hold.Key, hold.Waiting, level.ToString());
        // 1
        await CacheAsync(hold, began, over);
        if (level != ScaleLevel.Up)
        {
            // Before the start, which fills the cache.
            hold.Cache = scale.Of(hold.Key).Locality.Locality.ToString().ToLowerInvariant();
        }

        // 2
        var (pause, attempts) = (TimeSpan.Zero, 0);
        while (true)
        {
            await Task.Delay(pause, time, over);
            pause = Longer(pause);
            attempts++;
            var left = limit - time.GetElapsedTime(began);
            var (readiness, answer) = await AskAsync(hold, attempts, left > Second ? left : Second, over);
            // Closed: whoever waits may have what the gateway wants, and the activator holds as well as we do.
            if (readiness != Readiness.NotReady)
            {
                var took = time.GetElapsedTime(began);
                // A model that was up, of which one pod was not ready, did not start.
                var released = hold.Passed(scale.Of(hold.Key), readiness == Readiness.Ready && level != ScaleLevel.Up && took >= LeastCold, Bound(hold));
                Log.WakePassed(logger, hold.Key, took.TotalSeconds, attempts, hold.Cache, released);
                RelayMetrics.Woken(hold.Key, passed: true);
                return true;
            }

            Log.WakeRepeats(logger, hold.Key, attempts, answer);
            if (time.GetElapsedTime(began) >= limit && hold.TryGiveUp())
            {
                Log.WakeGivenUp(logger, hold.Key, limit.TotalSeconds, answer);
                RelayMetrics.Woken(hold.Key, passed: false);
                return false;
            }
        }
    }

    /// <summary>
    /// A readiness request waits where it was sent, at the activator of the Revision that took the traffic then. If that one never gets a pod and another Revision takes over, it would wait on for the whole limit:
    /// one that is not answered though the model is up is asked anew, each time with more patience.
    /// </summary>
    private async Task<(Readiness Readiness, string Answer)> AskAsync(ModelHold hold, int attempt, TimeSpan limit, CancellationToken over)
    {
        using var overtaken = CancellationTokenSource.CreateLinkedTokenSource(over);
        var asking = probe.AskAsync(hold, scale.Of(hold.Key), attempt, limit, overtaken.Token);
        while (!asking.IsCompleted)
        {
            var changed = scale.NextChange;
            if (scale.Of(hold.Key).Level != ScaleLevel.Up)
            {
                await Task.WhenAny(asking, changed);
                continue;
            }

            await NextAsync(asking, Second * Math.Pow(2, Math.Min(attempt - 1, 10)), over);
            if (!asking.IsCompleted)
            {
                await overtaken.CancelAsync();
                await ((Task)asking).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
                over.ThrowIfCancellationRequested();
                return (Readiness.NotReady, "the model is up, and the readiness request is not answered");
            }
        }

        return await asking;
    }

    private async Task CacheAsync(ModelHold hold, long began, CancellationToken over)
    {
        long? asked = null;
        var said = false;
        while (true)
        {
            var changed = scale.NextChange;
            var (now, model) = (scale.Of(hold.Key), Model(hold));
            // A pod that is on its way, or there, reads already: a load before it is no longer possible.
            var verdict = now.Level is ScaleLevel.Waking or ScaleLevel.Up ? new LocalityVerdict(Locality.Unknown, now.Level.ToString()) : now.Locality;
            var rule = LocalityRule.Of(model.Spec?.Cache, verdict, time.GetElapsedTime(began));
            if (rule.Ask && (asked is null || time.GetElapsedTime(asked.Value) >= AskAgain))
            {
                asked = time.GetTimestamp();
                requests.Ask(model, now, hold.Cause);
            }

            if (rule.Wait is not { } left)
            {
                return;
            }

            if (!said)
            {
                said = true;
                Log.WakeWaitsForCache(logger, hold.Key, now.Locality.Locality.ToString(), now.Locality.Reason, left.TotalSeconds);
            }

            await NextAsync(changed, left < AskAgain ? left : AskAgain, over);
        }
    }

    /// <summary>Waits for what may come, but no longer than the limit.</summary>
    private async Task NextAsync(Task next, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await next.WaitAsync(limit, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // The time is what was waited for.
        }
    }

    private int? Bound(ModelHold hold) => PodBound.Of(Model(hold), scale.Of(hold.Key).ReadyPods);

    private CachedModel Model(ModelHold hold) => catalog.Current.ByKey.TryGetValue(hold.Key, out var model) ? model : hold.Asked!.Model;

    private static TimeSpan Longer(TimeSpan pause) => pause == TimeSpan.Zero ? FirstPause : pause * 2 < LongestPause ? pause * 2 : LongestPause;
}
