using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

internal static class PrewarmServices
{
    /// <summary>Reports that are remembered so that one which comes twice counts once: hours of ten replicas'.</summary>
    private const int SeenReports = 16_384;

    /// <summary>What forecasts learn from, and what is done about them; needs the catalog, the event desk and the line's loads.</summary>
    public static IServiceCollection AddPrewarm(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<IArrivals, Arrivals>();
        services.AddSingleton(new SeenEvents(SeenReports));
        services.AddFunction<TrafficObservedFunction>();
        services.AddSingleton(_ => new PrewarmOptions
        {
            StateNamespace = configuration["Prewarm:StateNamespace"] is { Length: > 0 } ns ? ns : "prewarm-system",
            Pace = Seconds(configuration, "Prewarm:TickSeconds", 10),
            Lease = Seconds(configuration, "Prewarm:LeaseSeconds", 120),
            NamespacePodHours = PrewarmOptions.Budgets(configuration["Prewarm:NamespacePodHours"]),
            CacheGb = PrewarmOptions.Amount(configuration["Prewarm:CacheGB"], "CacheGB"),
            NamespaceCacheGb = PrewarmOptions.Budgets(configuration["Prewarm:NamespaceCacheGB"], "NamespaceCacheGB"),
            NamespaceCacheGbHours = PrewarmOptions.Budgets(configuration["Prewarm:NamespaceCacheGBHours"], "NamespaceCacheGBHours"),
            NodeGbs = PrewarmOptions.Amount(configuration["Prewarm:NodeGBs"], "NodeGBs", positive: true) ?? 1.25,
            History = configuration["Prewarm:History"] is { Length: > 0 } history ? history : null,
        });
        services.AddSingleton(provider => new FrontDoor(
            new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) }) { Timeout = Timeout.InfiniteTimeSpan },
            configuration["Gateway:Address"] is { Length: > 0 } gateway ? new Uri(gateway) : null, provider.GetRequiredService<IArrivals>()));
        services.AddSingleton<MemoryStore>();
        services.AddSingleton(_ => new FleetForecast(new(0, ForecastPrior.ReadNeutral())));
        services.AddSingleton<FleetStore>();
        services.AddSingleton<HistoryStart>();
        services.AddSingleton<ModelLooks>();
        services.AddSingleton<CacheChoice>();
        services.AddSingleton<PrewarmTurn>();
        services.AddSingleton<HoldActor>();
        services.AddSingleton<CacheActor>();
        services.AddSingleton<PrewarmTick>();
        services.AddFunction<PrewarmTickFunction>();
        // Only the role of the tick may hold pods and caches.
        if (configuration.Serves("PrewarmTick"))
        {
            services.AddLateService<PrewarmLoop>();
            services.AddPrometheus(configuration);
        }

        return services;
    }

    /// <summary>Nothing of it is there without an address.</summary>
    private static void AddPrometheus(this IServiceCollection services, IConfiguration configuration)
    {
        if (configuration["Prewarm:Prometheus:Address"] is not { Length: > 0 })
        {
            return;
        }

        services.AddSingleton(_ => PrometheusOptions.Read(configuration));
        services.AddSingleton(provider => new PrometheusClient(
            PrometheusClient.Connections(provider.GetRequiredService<PrometheusOptions>()), provider.GetRequiredService<PrometheusOptions>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<PrometheusSource>();
        services.AddLateService<PrometheusLoop>();
    }

    private static TimeSpan Seconds(IConfiguration configuration, string key, double otherwise) => configuration[key] is not { Length: > 0 } text ? TimeSpan.FromSeconds(otherwise)
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and < 86400 ? TimeSpan.FromSeconds(seconds)
        : throw new FormatException($"{key.Replace(":", "__", StringComparison.Ordinal)} is \"{text}\": write seconds above 0 and below 86400, decimals with a point");
}
