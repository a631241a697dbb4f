using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Scale;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Functions.Relay;

internal static class RelayServices
{
    /// <summary>The relay; needs <see cref="Catalog.ICatalog"/>, and <see cref="IScaleView"/> to hold anything.</summary>
    public static IServiceCollection AddRelay(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddHttpForwarder();
        services.AddOptions<RelayOptions>().Configure(o => RelaySettings.Read(o, configuration)).ValidateOnStart();
        services.AddSingleton<IValidateOptions<RelayOptions>, RelayOptionsValidator>();
        services.TryAddSingleton<IScaleView, UnseenScale>();
        services.AddEventSink(configuration);
        services.AddSingleton<GatewayClient>();
        services.AddSingleton<ReadinessProbe>();
        services.AddSingleton<IWakeRequests, WakeRequests>();
        services.AddSingleton<ModelWake>();
        services.AddSingleton<ModelHolds>();
        services.AddSingleton<BearerCheck>();
        services.AddSingleton<CallerLimits>();
        services.AddSingleton<RelayGuard>();
        services.AddSingleton<SendFailure>();
        services.AddSingleton<RelaySender>();
        services.AddSingleton<TrafficBook>();
        services.AddSingleton<RelayForwarder>();
        // One for all requests: each would else cost a scope of services.
        services.AddSingleton<PredictFunction>();
        services.AddFunction<PredictFunction>();
        if (configuration.ServesPredictions())
        {
            services.AddLateService<TrafficReporter>();
            services.AddLateService<RelayDrain>();
            services.AddOptions<HostOptions>().Configure<IOptions<RelayOptions>>((host, relay) => host.ShutdownTimeout = relay.Value.Drain + relay.Value.Grace);
            services.AddOptions<KestrelServerOptions>().Configure<IOptions<RelayOptions>>((kestrel, relay) =>
            {
                kestrel.Limits.MaxRequestHeadersTotalSize = relay.Value.MaxHeaderBytes;
                kestrel.Limits.MaxRequestLineSize = relay.Value.MaxUrlBytes;
                // As the gateway's answers are read: each byte comes out as it came in. ASCII, the default, would break the answer.
                kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.Latin1;
            });
        }

        return services;
    }
}
