using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Relay;

/// <summary>The holds of all models: one object per model that was ever asked, found without a lock.</summary>
internal sealed class ModelHolds(IScaleView scale, ICatalog catalog, ModelWake wakes, IOptions<RelayOptions> options, TimeProvider time)
{
    private readonly ConcurrentDictionary<ModelKey, ModelHold> _all = new();
    private readonly HoldTotals _totals = new();

    public HoldTotals Totals => _totals;

    public ModelHold Of(ModelKey key) => _all.TryGetValue(key, out var hold) ? hold : _all.GetOrAdd(key, k => new(k, _totals, options.Value, time));

    /// <summary>True: the request goes through <see cref="Enter"/>. No lock, no call.</summary>
    public bool MustWait(ModelHold hold) => hold.MustWait(scale.Of(hold.Key));

    /// <summary>True: several pods are ready, so that one that says otherwise speaks for itself alone.</summary>
    public bool HasOthers(ModelHold hold) => scale.Of(hold.Key) is { Level: ScaleLevel.Up, ReadyPods: > 1 };

    /// <summary>Lets a request wait at its model's hold, and wakes the model if it is the first.</summary>
    public HoldEntry Enter(ModelHold hold, RelayOutcome.Found found, TimeSpan deadline, long bytes, string? cause)
    {
        var now = scale.Of(hold.Key);
        var entry = hold.Enter(found, now, deadline, bytes, ColdStartSeed.Of(found.Model, now.Locality.Locality), cause, out var wake);
        Start(hold, wake);
        return entry;
    }

    /// <summary>The model was not ready for a request: it takes its old place.</summary>
    public HeldRequest Return(ModelHold hold, HeldRequest? request, RelayOutcome.Found found, long bytes)
    {
        var held = hold.Return(request, found, bytes, out var wake);
        Start(hold, wake);
        return held;
    }

    /// <summary>The process ends: whoever waits is told to come again, and nobody is held from now on.</summary>
    public void End()
    {
        _totals.Ending = true;
        foreach (var hold in _all.Values)
        {
            hold.End();
        }
    }

    private void Start(ModelHold hold, bool wake)
    {
        if (wake)
        {
            _ = Task.Run(() => RunAsync(hold));
        }
    }

    private async Task RunAsync(ModelHold hold)
    {
        await wakes.RunAsync(hold, _totals);
        // A model that is no more leaves nothing behind.
        if (!catalog.Current.ByKey.ContainsKey(hold.Key))
        {
            _all.TryRemove(hold.Key, out _);
            RelayMetrics.Forget(hold.Key);
        }
    }
}
