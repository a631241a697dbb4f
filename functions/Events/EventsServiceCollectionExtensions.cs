using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Prewarm.Functions.Events;

internal static class EventsServiceCollectionExtensions
{
    /// <summary>The token that guards the event routes (<c>Events__Token</c>), and a warning at start when there is none.</summary>
    public static IServiceCollection AddEvents(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton(new EventToken(configuration["Events:Token"]));
        services.AddHostedService<EventTokenNotice>();
        services.TryAddSingleton(TimeProvider.System);
        return services.AddEventSink(configuration);
    }

    /// <summary>What sends events of ours.</summary>
    public static IServiceCollection AddEventSink(this IServiceCollection services, IConfiguration configuration)
    {
        var tokenFile = configuration["Events:SenderTokenFile"] is { Length: > 0 } file ? file : null;
        services.TryAddSingleton(p => new EventSink(
            new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) }) { Timeout = Timeout.InfiniteTimeSpan }, p.GetRequiredService<TimeProvider>(), tokenFile));
        return services;
    }
}
