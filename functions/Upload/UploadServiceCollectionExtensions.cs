using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Prewarm.Functions.Upload;

internal static class UploadServiceCollectionExtensions
{
    public static IServiceCollection AddUpload(this IServiceCollection services, IConfiguration configuration)
    {
        var options = new ObjectStoreOptions { Endpoint = configuration["ObjectStore:Endpoint"] };
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IUploadSource>(s => new S3UploadSource(options, s.GetRequiredService<TimeProvider>()));
        return services;
    }
}
