using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Functions.Relay;

internal static class RelayServices
{
    /// <summary>The relay; needs <see cref="Catalog.ICatalog"/>.</summary>
    public static IServiceCollection AddRelay(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddHttpForwarder();
        services.AddOptions<RelayOptions>()
            .Configure(o =>
            {
                o.Gateway = configuration["Gateway:Address"] is { Length: > 0 } address ? new Uri(address, UriKind.RelativeOrAbsolute) : null;
                o.ActivityTimeout = configuration["Gateway:ActivityTimeoutSeconds"] is { Length: > 0 } seconds
                    ? TimeSpan.FromSeconds(double.TryParse(seconds, out var value) ? value : 0)
                    : o.ActivityTimeout;
            })
            .Validate(o => o.Gateway is null or { IsAbsoluteUri: true, Scheme: "http" or "https" },
                "Gateway__Address is not an http(s) URL: write it as http://host:port")
            .Validate(o => o.ActivityTimeout > TimeSpan.Zero, "Gateway__ActivityTimeoutSeconds is not a positive number of seconds")
            .ValidateOnStart();
        services.AddSingleton<RelayForwarder>();
        services.AddFunction<PredictFunction>();
        return services;
    }
}
