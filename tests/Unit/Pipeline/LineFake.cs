using System.Collections.Concurrent;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>Records who asked for a look and answers as it is told.</summary>
internal sealed class LineFake : IModelLine
{
    public ConcurrentQueue<(ModelKey Model, string? Cause)> Looks { get; } = new();

    /// <summary>Whether each asked for a listing of its own.</summary>
    public ConcurrentQueue<bool> Fresh { get; } = new();

    public Func<ModelKey, Task<LineOutcome>> Answer { get; set; } = _ => Task.FromResult(LineOutcome.Settled);

    public Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, bool fresh, CancellationToken cancellationToken)
    {
        Looks.Enqueue((model, cause));
        Fresh.Enqueue(fresh);
        return Answer(model);
    }
}
