using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Relay;

/// <summary>For a process that does not follow the models' scale: nothing is known, so nothing is held here, and Knative's activator holds as ever.</summary>
internal sealed class UnseenScale : IScaleView
{
    public Task NextChange { get; } = new TaskCompletionSource().Task;

    public ModelScale Of(ModelKey model) => ModelScale.Unseen;
}
