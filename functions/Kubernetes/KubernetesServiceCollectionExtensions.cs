using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Prewarm.Functions.Kubernetes;

internal static class KubernetesServiceCollectionExtensions
{
    /// <summary>
    /// Adds <see cref="IKubeApi"/>. The server is looked for at first use, so that functions which need none start anywhere.
    /// </summary>
    /// <param name="services">Where to add.</param>
    /// <param name="configuration">Keys <c>Kubernetes:Kubeconfig</c>, then <c>KUBECONFIG</c>.</param>
    public static IServiceCollection AddKubernetes(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IKubeApi>(provider =>
        {
            var time = provider.GetRequiredService<TimeProvider>();
            return new KubeApi(KubeApiFactory.CreateHttpClient(configuration["Kubernetes:Kubeconfig"] ?? configuration["KUBECONFIG"], time), time);
        });
        services.TryAddSingleton<IServerDiscovery>(provider =>
        {
            var time = provider.GetRequiredService<TimeProvider>();
            return new ServerDiscovery(KubeApiFactory.CreateHttpClient(configuration["Kubernetes:Kubeconfig"] ?? configuration["KUBECONFIG"], time), time);
        });
        return services;
    }
}
