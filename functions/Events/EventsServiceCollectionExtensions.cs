using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Prewarm.Functions.Events;

internal static class EventsServiceCollectionExtensions
{
    public static IServiceCollection AddEvents(this IServiceCollection services, IConfiguration configuration) =>
        services.AddSingleton(new EventToken(configuration["Events:Token"]));
}
