using System.Collections.Concurrent;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>The scale as a test says it.</summary>
internal sealed class ScaleFake : IScaleView
{
    private readonly ConcurrentDictionary<ModelKey, ModelScale> _models = new();
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task NextChange => _changed.Task;

    public ModelScale Of(ModelKey model) => _models.GetValueOrDefault(model, ModelScale.Unseen);

    public void Set(ScaleLevel level, int pods = 0, Locality locality = Locality.Local, string model = "bloom", string revision = "bloom-predictor-00001")
    {
        _models[new("default", model)] = new(level, pods, revision, new(locality, "test"));
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
