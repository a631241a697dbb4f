using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>The one pipeline that every event leads to: look at a model, decide, act.</summary>
internal interface IModelLine
{
    /// <summary>Observes, plans and applies until this pass has nothing more to do. Calls for one model run one at a time and coalesce; a call returns after a pass that began after it.</summary>
    /// <param name="cause">W3C traceparent of the event that asks for the look; null when time or a person does.</param>
    /// <param name="fresh">The store may have changed: list it again. False takes a listing of the last 2 s when there is one, instead of waiting for the next.</param>
    Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, bool fresh, CancellationToken cancellationToken);

    /// <summary>The same, listing anew, for an event that completes nothing: the look may wait so long for others to share its listing, unless somebody asks who does not wait.</summary>
    Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, TimeSpan patience, CancellationToken cancellationToken) => AdvanceAsync(model, cause, true, cancellationToken);

    /// <summary>Whether a look that settled has listed this very object: an event about it asks for nothing new. In doubt no.</summary>
    bool Knows(ModelKey model, string key, string etag) => false;

    /// <summary>When the last look at it began that has ended; null: none has, in this process.</summary>
    DateTimeOffset? LookedAt(ModelKey model) => null;

    /// <summary>The same without an event.</summary>
    Task<LineOutcome> AdvanceAsync(ModelKey model, CancellationToken cancellationToken) => AdvanceAsync(model, null, true, cancellationToken);
}

/// <summary>How a pass over one model ended.</summary>
internal enum LineOutcome
{
    /// <summary>Everything that can be done now is done.</summary>
    Settled,

    /// <summary>The model does not exist (any more).</summary>
    Gone,

    /// <summary>Something answered with a passing failure; ask again later.</summary>
    Transient,
}
