using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Relay;

/// <summary>Asks those who may write to the cluster for what the relay may not do itself.</summary>
internal interface IWakeRequests
{
    /// <summary>A model with a cold cache is about to be woken: load it. Returns at once; the sending is tried a few times.</summary>
    /// <param name="cause">W3C traceparent of the request that waits; null: it had none.</param>
    void Ask(CachedModel model, ModelScale scale, string? cause);
}
