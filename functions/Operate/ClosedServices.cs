using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Scale.Reads;

namespace Prewarm.Functions.Operate;

/// <summary>
/// Loggers and options that every start asks for, with their types said. From ILogger&lt;&gt; and IOptions&lt;&gt; the container makes them all the same, but in a program compiled ahead of
/// time the runtime then has to put each type together while it starts: a fifth of the start's processor time.
/// </summary>
internal static class ClosedServices
{
    public static IServiceCollection AddClosed(this IServiceCollection services)
    {
        Logger<ActivationRun>(services);
        Logger<ActivationWriter>(services);
        Logger<Activations>(services);
        Logger<CacheActor>(services);
        Logger<CatalogWatch>(services);
        Logger<EventDesk>(services);
        Logger<EventTokenNotice>(services);
        Logger<FirstBytes>(services);
        Logger<FleetStore>(services);
        Logger<HistoryStart>(services);
        Logger<HoldActor>(services);
        Logger<MemoryStore>(services);
        Logger<ModelLine>(services);
        Logger<ModelSweep>(services);
        Logger<ModelWake>(services);
        Logger<NextLookLoop>(services);
        Logger<PrewarmLoop>(services);
        Logger<PrewarmTick>(services);
        Logger<PrewarmTurn>(services);
        Logger<PrometheusSource>(services);
        Logger<ReadLoop>(services);
        Logger<ScaleWatch>(services);
        Logger<SendFailure>(services);
        Logger<TrafficReporter>(services);
        Logger<UnobservedExceptions>(services);
        Logger<WakeLoads>(services);
        Logger<WakeRequests>(services);
        Options<CatalogOptions>(services);
        Options<ScaleOptions>(services);
        Options<RelayOptions>(services);
        Options<HostOptions>(services);
        Options<ConsoleLifetimeOptions>(services);
        Options<LoggerFilterOptions>(services);
        Options<LoggerFactoryOptions>(services);
        Options<ConsoleLoggerOptions>(services);
        Options<ConsoleFormatterOptions>(services);
        Options<SimpleConsoleFormatterOptions>(services);
        Options<JsonConsoleFormatterOptions>(services);
        Options<KestrelServerOptions>(services);
        Options<SocketTransportOptions>(services);
        Options<RouteOptions>(services);
        Options<RouteHandlerOptions>(services);
        Options<JsonOptions>(services);
        return services;
    }

    private static void Logger<T>(IServiceCollection services) => services.AddSingleton<ILogger<T>>(static p => new Logger<T>(p.GetRequiredService<ILoggerFactory>()));

    private static void Options<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] T>(IServiceCollection services)
        where T : class
    {
        // The container puts them into arrays of these types.
        GC.KeepAlive((Array.Empty<IConfigureOptions<T>>(), Array.Empty<IPostConfigureOptions<T>>(), Array.Empty<IValidateOptions<T>>(), Array.Empty<IOptionsChangeTokenSource<T>>()));
        services.AddSingleton<IOptions<T>>(static p => new OptionsManager<T>(p.GetRequiredService<IOptionsFactory<T>>()));
        services.AddSingleton<IOptionsMonitorCache<T>>(static _ => new OptionsCache<T>());
        services.AddTransient<IOptionsFactory<T>>(static p => new OptionsFactory<T>(p.GetServices<IConfigureOptions<T>>(), p.GetServices<IPostConfigureOptions<T>>(), p.GetServices<IValidateOptions<T>>()));
        services.AddSingleton<IOptionsMonitor<T>>(static p => new OptionsMonitor<T>(
            p.GetRequiredService<IOptionsFactory<T>>(), p.GetServices<IOptionsChangeTokenSource<T>>(), p.GetRequiredService<IOptionsMonitorCache<T>>()));
    }
}
