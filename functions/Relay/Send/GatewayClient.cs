using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Connections to the mesh's gateway, and to nothing else. TLS is made here and not by the handler: that would take the name to verify, and a pool of its own,
/// from each model's Host header, while the certificate is the gateway's (facts/kserve.md §5).
/// </summary>
internal sealed class GatewayClient : IDisposable
{
    /// <summary>Two lost SYNs (sent again after 1 s and 3 s), or handshakes in a burst; a gateway that swallows connections is noticed by it.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    public GatewayClient(IOptions<RelayOptions> options)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            EnableMultipleHttp2Connections = true,
            // As the server has read them; ASCII, the default, would refuse the request. Answers are read as Latin-1, and written so (RelayServices).
            RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
            ActivityHeadersPropagator = new ReverseProxyPropagator(DistributedContextPropagator.Current),
            ConnectTimeout = ConnectTimeout,
            // A gateway that has moved is found again.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        };
        var gateway = options.Value.Gateway;
        if (gateway is { Scheme: "https" })
        {
            var tls = Tls(gateway.IdnHost, options.Value.GatewayCaFile);
            handler.ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, tls, cancellationToken);
            gateway = new UriBuilder(gateway) { Scheme = "http", Port = gateway.Port }.Uri;
        }

        Http = new(handler);
        Prefix = gateway?.AbsoluteUri;
    }

    public HttpMessageInvoker Http { get; }

    /// <summary>The gateway's URL as the handler is told it, plain even if the connection is not; null: there is no gateway.</summary>
    public string? Prefix { get; }

    public void Dispose() => Http.Dispose();

    /// <summary>True when no connection came to be: nothing of the request has left this process.</summary>
    public static bool NotConnected(Exception? exception) => exception switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError } => true,
        // ConnectTimeout, as the handler tells it; nothing else of ours cancels with that cause.
        OperationCanceledException { InnerException: TimeoutException } => true,
        _ => false,
    };

    private static SslClientAuthenticationOptions Tls(string host, string? authorities)
    {
        var tls = new SslClientAuthenticationOptions { TargetHost = host };
        if (authorities is not null)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(authorities);
            tls.CertificateChainPolicy = policy;
        }

        return tls;
    }

    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint gateway, SslClientAuthenticationOptions tls, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        SslStream? secured = null;
        try
        {
            await socket.ConnectAsync(gateway, cancellationToken);
            secured = new(new NetworkStream(socket, ownsSocket: true));
            await secured.AuthenticateAsClientAsync(tls, cancellationToken);
            return secured;
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (secured is not null)
            {
                await secured.DisposeAsync();
            }

            if (e is OperationCanceledException)
            {
                throw;
            }

            throw new HttpRequestException(HttpRequestError.SecureConnectionError, $"no secure connection to {gateway.Host}:{gateway.Port}: {e.Message}", e);
        }
    }
}
