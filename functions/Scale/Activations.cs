using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Scale;

/// <summary>What became of one message about a PodAutoscaler.</summary>
internal enum SignalOutcome { Activated, Nothing, Old, Unclaimed }

/// <summary>
/// Turns levels into activations, whoever tells them (the watch, an event, both, twice):
/// 1. older than what is known: nothing;
/// 2. no longer waking, or waking anew: the activation before has ended;
/// 3. waking with an id that is not the last one's: an activation begins, and is followed to its end beside everything else.
/// </summary>
internal sealed class Activations(ScaleBoard board, ActivationRun run, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Activations> logger) : IActivations, IWakeCauses
{
    /// <summary>How long a request that asked for a wake counts as its cause.</summary>
    private static readonly TimeSpan CauseLife = TimeSpan.FromMinutes(3);

    private readonly Lock _lock = new();
    private readonly AutoscalerOrder _order = new();
    private readonly Dictionary<(string, string), Activation> _current = [];
    private readonly ConcurrentDictionary<ModelKey, (string Traceparent, DateTimeOffset At)> _causes = new();
    private readonly ConcurrentDictionary<(string, string), Activation> _followed = new();

    public void Saw(Delta<PodAutoscaler> delta)
    {
        switch (delta)
        {
            case Delta<PodAutoscaler>.Replace list:
                foreach (var autoscaler in list.Items)
                {
                    Take(autoscaler, null);
                }

                break;
            case Delta<PodAutoscaler>.Upsert one:
                Take(one.Object, null);
                break;
            case Delta<PodAutoscaler>.Remove gone:
                lock (_lock)
                {
                    _order.Gone(gone.Namespace ?? "", gone.Name, gone.Object);
                    if (_current.Remove((gone.Namespace ?? "", gone.Name), out var activation))
                    {
                        activation.Ended("Ended", time.GetUtcNow());
                    }
                }

                break;
        }
    }

    public void Saw(Delta<Pod> delta)
    {
        if (delta is Delta<Pod>.Replace)
        {
            foreach (var activation in _followed.Values)
            {
                activation.PodChanged();
            }
        }
        else if ((delta as Delta<Pod>.Upsert)?.Object.Metadata is { Labels: { } labels } meta && labels.TryGetValue(ScaleKinds.RevisionLabel, out var revision)
            && _followed.TryGetValue((meta.Namespace ?? "", revision), out var one))
        {
            one.PodChanged();
        }
    }

    /// <summary>Requests that are kept as the cause of a wake to come.</summary>
    internal int Causes => _causes.Count;

    /// <summary>A request asked for a wake of the model: what wakes next belongs to its trace.</summary>
    public void Caused(ModelKey model, string? traceparent)
    {
        // Anybody may send that event, with any name.
        if (traceparent is null || !board.Knows(model))
        {
            return;
        }

        var now = time.GetUtcNow();
        _causes[model] = (traceparent, now);
        foreach (var one in _causes.Where(c => now - c.Value.At >= CauseLife))
        {
            _causes.TryRemove(one);
        }
    }

    /// <param name="traceparent">Of the event that told it.</param>
    public SignalOutcome Take(PodAutoscaler autoscaler, string? traceparent)
    {
        var now = time.GetUtcNow();
        var key = (autoscaler.Metadata.Namespace ?? "", autoscaler.Metadata.Name ?? "");
        Activation activation;
        lock (_lock)
        {
            // 1
            if (!_order.Newer(autoscaler))
            {
                return SignalOutcome.Old;
            }

            // 2
            var signal = ScaleSignal.Of(autoscaler);
            var id = signal.ActivationId(autoscaler.Metadata.Uid);
            var current = _current.GetValueOrDefault(key);
            if (current is not null && current.Id == id)
            {
                return SignalOutcome.Nothing;
            }

            current?.Ended(signal.Level switch { ScaleLevel.Up => "Ready", ScaleLevel.Failed or ScaleLevel.Waking => "TimedOut", _ => "Ended" }, now);
            _current.Remove(key);

            // 3
            if (id is null)
            {
                return SignalOutcome.Nothing;
            }

            if (board.Facts(autoscaler) is not { } facts)
            {
                // Its model may be on its way here: whoever tells it again is listened to.
                _order.Forget(key);
                return SignalOutcome.Unclaimed;
            }

            var model = facts.Model.Key();
            var cause = _causes.TryRemove(model, out var asked) && now - asked.At < CauseLife ? asked.Traceparent : traceparent;
            _current[key] = activation = new(id, model, autoscaler, signal.Since!.Value, now) { Traceparent = cause };
        }

        _ = FollowAsync(activation);
        return SignalOutcome.Activated;
    }

    private async Task FollowAsync(Activation activation)
    {
        try
        {
            _followed[(activation.Model.Namespace, activation.Revision)] = activation;
            await run.RunAsync(activation, lifetime.ApplicationStopping);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Another replica, or the next start, tells its end.
        }
        catch (Exception e)
        {
            Log.ActivationLost(logger, e, activation.Model, activation.Id);
        }
        finally
        {
            _followed.TryRemove(new((activation.Model.Namespace, activation.Revision), activation));
        }
    }
}
