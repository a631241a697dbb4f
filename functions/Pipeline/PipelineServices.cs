using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Rollout;

namespace Prewarm.Functions.Pipeline;

internal static class PipelineServices
{
    /// <summary>The line, the functions that lead to it, and the loop that looks again in time.</summary>
    public static IServiceCollection AddPipeline(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<IRevisionProver>(provider => new GatewayProver(
            new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) }) { Timeout = Timeout.InfiniteTimeSpan },
            new Uri(configuration["Gateway:Address"] is { Length: > 0 } gateway ? gateway : "http://istio-ingressgateway.istio-system"),
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IModelLine, ModelLine>();
        services.AddSingleton<EventDesk>();
        services.AddSingleton<ModelSweep>();
        services.AddFunction<ModelUploadedFunction>();
        services.AddFunction<ClusterChangedFunction>();
        services.AddFunction<SweepFunction>();
        services.AddSingleton<WakeLoads>();
        services.AddFunction<WakeRequestedFunction>();
        services.AddFunction<PlanFunction>();
        // Only the role that hears of the cluster is always on and may write: a relay that looked at models would be refused at every look.
        if (configuration.Serves("ClusterChanged"))
        {
            services.AddLateService<NextLookLoop>();
        }

        return services;
    }
}
