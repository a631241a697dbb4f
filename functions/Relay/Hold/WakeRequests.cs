using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Relay;

/// <summary>Sends <c>dev.prewarm.wake.requested</c> to <c>K_SINK</c>, with an id that every replica gives the same cold start.</summary>
internal sealed class WakeRequests(EventSink sink, IOptions<RelayOptions> options, IHostApplicationLifetime lifetime, ILogger<WakeRequests> logger) : IWakeRequests
{
    public const string Type = "dev.prewarm.wake.requested";
    private const string Source = "/prewarm/relay";

    public void Ask(CachedModel model, ModelScale scale, string? cause)
    {
        if (options.Value.Sink is not { } address)
        {
            Log.NobodyToAsk(logger, model.Key());
            return;
        }

        _ = SendAsync(address, model, scale, cause);
    }

    /// <summary>The version's digest, the Revision that sleeps and since when it does: every cold start has another one, and every replica the same.</summary>
    internal static string Id(CachedModel model, ModelScale scale)
    {
        var version = model.Status?.Versions?.FindLast(v => v.Name == model.Status.Version);
        return string.Create(CultureInfo.InvariantCulture, $"{model.Key()}/{version?.Digest ?? model.Status?.Version}/{scale.Revision}{(scale.Since is { } since ? $"/{since.ToUnixTimeSeconds()}" : "")}");
    }

    private async Task SendAsync(Uri address, CachedModel model, ModelScale scale, string? cause)
    {
        var data = new WakeRequest(model.Key().Namespace, model.Key().Name, model.Status?.Version, scale.Revision, scale.Locality.Locality.ToString(), scale.Locality.Reason, model.Spec?.Cache.Locality ?? "prefer");
        var problem = await sink.SendAsync(address, new(Id(model, scale), Source, Type, $"/namespaces/{data.Namespace}/cachedmodels/{data.Name}", cause),
            JsonSerializer.SerializeToUtf8Bytes(data, RelayJsonContext.Default.WakeRequest), lifetime.ApplicationStopping);
        if (problem is null)
        {
            Log.LoadAskedFor(logger, model.Key(), data.Locality, data.Reason);
        }
        else
        {
            Log.LoadNotAskedFor(logger, model.Key(), problem);
        }
    }
}
