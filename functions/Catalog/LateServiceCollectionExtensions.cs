using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Prewarm.Functions.Catalog;

internal static class LateServiceCollectionExtensions
{
    /// <summary>Registers a hosted service that begins when the server listens (<see cref="LateService{T}"/>), and stops in its place among the others.</summary>
    public static IServiceCollection AddLateService<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] T>(this IServiceCollection services)
        where T : class, IHostedService
    {
        services.TryAddSingleton<T>();
        return services.AddSingleton<IHostedService>(static p => new LateService<T>(p));
    }
}
