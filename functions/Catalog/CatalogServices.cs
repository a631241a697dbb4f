using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Prewarm.Functions.Catalog;

internal static class CatalogServices
{
    /// <summary>The snapshot of all CachedModels; needs <see cref="Kubernetes.IKubeApi"/>.</summary>
    public static IServiceCollection AddCatalog(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.Configure<CatalogOptions>(o => o.Namespaces = CatalogOptions.Parse(configuration["PREWARM_NAMESPACES"]));
        services.AddSingleton<CatalogWatch>();
        services.AddSingleton<ICatalog>(p => p.GetRequiredService<CatalogWatch>());
        services.AddSingleton<ICatalogContact>(p => p.GetRequiredService<CatalogWatch>());
        services.AddLateService<CatalogWatch>();
        return services;
    }
}
