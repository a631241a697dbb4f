using Amazon.Runtime;
using Amazon.S3;

namespace Prewarm.Functions.Upload;

/// <summary>
/// The S3 client with the settings that OSS needs: no checksums of newer SDKs (OSS refuses them), addressing as the endpoint wants it,
/// and the patience of <see cref="PatientHandler"/>.
/// </summary>
internal static class StoreClient
{
    /// <param name="id">Null takes ambient credentials.</param>
    public static AmazonS3Client Connect(StoreEndpoint endpoint, string? id, string? secret, ObjectStoreOptions options, TimeProvider time)
    {
        var config = new AmazonS3Config
        {
            ServiceURL = endpoint.ServiceUrl,
            AuthenticationRegion = endpoint.Region,
            ForcePathStyle = endpoint.PathStyle,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            MaxErrorRetry = 0, // The handler asks again, and no more than it is told.
            HttpClientFactory = new PatientClients(options, time),
        };
        return id is null || secret is null ? new(config) : new(new BasicAWSCredentials(id, secret), config);
    }

    private sealed class PatientClients(ObjectStoreOptions options, TimeProvider time) : HttpClientFactory
    {
        /// <summary>Endpoints with dead DNS entries behind them are asked again after so long.</summary>
        private static readonly TimeSpan ConnectionLife = TimeSpan.FromMinutes(5);

        // Ownership goes to the client, and with it to whoever made the S3 client.
        public override HttpClient CreateHttpClient(IClientConfig clientConfig) => new(new PatientHandler(options.Silence, options.Retries, time)
        {
            InnerHandler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = options.Silence, PooledConnectionLifetime = ConnectionLife },
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };

        public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

        public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;
    }
}
