using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Scale.Reads;

namespace Prewarm.Functions.Scale;

internal static class ScaleServices
{
    /// <summary>The view of every model's serving state; needs the catalog. Before the relay, which takes the view that is there.</summary>
    public static IServiceCollection AddScale(this IServiceCollection services, IConfiguration configuration)
    {
        // Activations are judged, and versions read on their nodes.
        var judges = configuration.Serves("ScaleSignalled");
        services.TryAddSingleton(TimeProvider.System);
        services.Configure<ScaleOptions>(o =>
        {
            o.Activations = judges;
            o.ReadImage = configuration["Scale:ReadImage"] is { Length: > 0 } image ? image : o.ReadImage;
        });
        services.AddSingleton<ScaleBoard>();
        services.AddSingleton<IScaleView>(p => p.GetRequiredService<ScaleBoard>());
        services.AddSingleton<ActivationWriter>();
        services.AddSingleton<FirstBytes>();
        services.AddSingleton<ActivationRun>();
        services.AddSingleton<Activations>();
        services.AddFunction<ScaleSignalledFunction>();
        if (judges)
        {
            services.AddSingleton<IActivations>(p => p.GetRequiredService<Activations>());
            services.AddLateService<ReadLoop>();
            services.AddSingleton<IWakeCauses>(p => p.GetRequiredService<Activations>());
        }

        if (judges || configuration.ServesPredictions())
        {
            services.AddLateService<ScaleWatch>();
        }

        return services;
    }
}
