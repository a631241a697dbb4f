using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>Keeps which request asked for a wake, for the trace of the wake that comes of it.</summary>
internal interface IWakeCauses
{
    /// <param name="traceparent">W3C trace context of the request; null: it has none.</param>
    void Caused(ModelKey model, string? traceparent);
}
