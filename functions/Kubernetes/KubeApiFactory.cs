using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using k8s;

namespace Prewarm.Functions.Kubernetes;

/// <summary>Finds the API server: in the cluster by the pod's ServiceAccount, else by kubeconfig (<c>KUBECONFIG</c> or the default file).</summary>
internal static class KubeApiFactory
{
    public static HttpClient CreateHttpClient(string? kubeconfig)
    {
        var config = kubeconfig is null && KubernetesClientConfiguration.IsInCluster()
            ? KubernetesClientConfiguration.InClusterConfig()
            : KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig);
        var handler = new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(10) };
        if (config.SkipTlsVerify)
        {
            throw new InvalidOperationException("insecure-skip-tls-verify is set in the kubeconfig: give the cluster's certificate-authority instead");
        }

        if (config.SslCaCerts is { Count: > 0 } authorities)
        {
            handler.SslOptions.CertificateChainPolicy = Policy(authorities);
        }

        return new(new Authenticate(config) { InnerHandler = handler })
        {
            BaseAddress = new(config.Host),
            // A watch has no end; every other call gets its deadline from its cancellation token.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    private static X509ChainPolicy Policy(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }

    /// <summary>Adds the bearer token; a token file is read again by the client package's provider as it is rotated.</summary>
    private sealed class Authenticate(KubernetesClientConfiguration config) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (config.TokenProvider is { } provider)
            {
                request.Headers.Authorization = await provider.GetAuthenticationHeaderAsync(cancellationToken);
            }
            else if (config.AccessToken is { Length: > 0 } token)
            {
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            }

            return await base.SendAsync(request, cancellationToken);
        }
    }
}
