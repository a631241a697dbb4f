using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Trace;
using Prewarm.Functions.Operate.Doctor;

namespace Prewarm.Functions.Operate;

internal static class OperateServices
{
    /// <summary>
    /// Logs as one JSON object per line (<c>Logging__Json=false</c> for text) and, only when
    /// <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set, spans by OTLP.
    /// </summary>
    public static IServiceCollection AddOperate(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddLogging(logging =>
        {
            // Two lines a request say nothing that the metrics do not say.
            logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
            logging.AddFilter("Yarp", LogLevel.Warning);
            // Even silent it makes an Activity and a scope of each request as long as any level of it is on.
            logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
            if (!string.Equals(configuration["Logging:Json"], "false", StringComparison.OrdinalIgnoreCase))
            {
                logging.AddJsonConsole(o =>
                {
                    o.UseUtcTimestamp = true;
                    o.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
                });
            }
        });
        if (configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] is { Length: > 0 })
        {
            services.AddOpenTelemetry().WithTracing(tracing => tracing.AddSource(PrewarmTracing.Source.Name).AddOtlpExporter());
        }

        services.AddClosed();
        services.AddHostedService<UnobservedExceptions>();
        services.AddFunction<HealthFunction>();
        services.AddFunction<ReadinessFunction>();
        services.AddFunction<MetricsFunction>();
        services.AddFunction<ModelsFunction>();
        // What FUNCTIONS means by the names that are documented.
        services.AddFunctionGroup("Predict", "PredictV2", "PredictOpenAI", "PredictModel");
        services.AddFunctionGroup("Models", "ModelsOne");
        services.AddFunctionGroup("Health", "HealthReady");
        services.AddSingleton<DoctorClient>();
        services.AddFunction<DoctorFunction>();
        return services;
    }
}
