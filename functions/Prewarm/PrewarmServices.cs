using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Prewarm.Functions.Prewarm;

internal static class PrewarmServices
{
    /// <summary>Reports that are remembered so that one which comes twice counts once: hours of ten replicas'.</summary>
    private const int SeenReports = 16_384;

    /// <summary>What a forecast will learn from; needs <see cref="Catalog.ICatalog"/> and the event token.</summary>
    public static IServiceCollection AddPrewarm(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<IArrivals, Arrivals>();
        services.AddSingleton(new SeenEvents(SeenReports));
        services.AddFunction<TrafficObservedFunction>();
        return services;
    }
}
