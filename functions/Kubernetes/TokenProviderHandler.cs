using k8s.Authentication;

namespace Prewarm.Functions.Kubernetes;

/// <summary>Authorization from one of the client package's providers (a fixed token, or an exec plug-in that refreshes its own).</summary>
internal sealed class TokenProviderHandler(ITokenProvider provider) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Headers.Authorization = await provider.GetAuthenticationHeaderAsync(cancellationToken);
        return await base.SendAsync(request, cancellationToken);
    }
}
