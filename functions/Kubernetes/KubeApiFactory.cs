using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using k8s;
using k8s.Authentication;
using k8s.Exceptions;

namespace Prewarm.Functions.Kubernetes;

/// <summary>Finds the API server and the credentials, and builds the connection.</summary>
internal static class KubeApiFactory
{
    private const string ServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// <summary>
    /// In this order: <paramref name="kubeconfig"/> (files separated as in PATH: the first that exists),
    /// the Pod's own ServiceAccount, <c>~/.kube/config</c>.
    /// </summary>
    /// <returns>A client for <see cref="KubeApi"/>.</returns>
    /// <exception cref="InvalidOperationException">None of them is there, or it does not verify the server.</exception>
    public static HttpClient CreateHttpClient(string? kubeconfig, TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        if (!string.IsNullOrEmpty(kubeconfig))
        {
            return FromFiles(kubeconfig.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), time);
        }

        if (KubernetesClientConfiguration.IsInCluster())
        {
            return Create(KubernetesClientConfiguration.InClusterConfig(), Path.Combine(ServiceAccountFolder, "token"), time);
        }

        var home = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".kube", "config");
        return File.Exists(home)
            ? FromFiles([home], time)
            : throw new InvalidOperationException("No API server: set KUBECONFIG (or Kubernetes__Kubeconfig) to a kubeconfig file, or run in a Pod with a ServiceAccount token.");
    }

    private static HttpClient FromFiles(string[] paths, TimeProvider time)
    {
        // kubectl passes over files of the list that do not exist; merging several is not supported, the first one counts.
        var file = paths.Select(path => new FileInfo(path)).FirstOrDefault(file => file.Exists)
            ?? throw new InvalidOperationException($"KUBECONFIG names '{string.Join(Path.PathSeparator, paths)}', which does not exist: correct the path.");
        return Create(Read(file), null, time);
    }

    private static KubernetesClientConfiguration Read(FileInfo file)
    {
        try
        {
            return KubernetesClientConfiguration.BuildConfigFromConfigFile(file);
        }
        // The library has an exception of another kind for every way to be broken.
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            var why = e switch
            {
                NullReferenceException => "it is empty",
                InvalidCastException => "it is no YAML mapping",
                FormatException => "a certificate or key in it is no Base64",
                KubeConfigException when e.Message.StartsWith("Cannot infer server", StringComparison.Ordinal) => "it names no current-context",
                _ => e.Message.ReplaceLineEndings(" "),
            };
            throw new InvalidOperationException($"the kubeconfig {file.FullName} cannot be used ({why}): correct it, `kubectl config view` and `kubectl config use-context` help, or set KUBECONFIG to another file", e);
        }
    }

    /// <param name="configuration">Server, trust and client certificate; also the token unless <paramref name="tokenFile"/> is given.</param>
    /// <param name="tokenFile">A file that is read again when it is rotated.</param>
    /// <param name="time">Clock of the re-reading.</param>
    internal static HttpClient Create(KubernetesClientConfiguration configuration, string? tokenFile, TimeProvider time)
    {
        var sockets = new SocketsHttpHandler
        {
            // Follow the server's address when its load balancer changes.
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
            ConnectTimeout = TimeSpan.FromSeconds(10),
            // Finds dead connections under HTTP/2 long before a watch's own limit.
            KeepAlivePingDelay = TimeSpan.FromSeconds(30),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(15),
            EnableMultipleHttp2Connections = true,
            AutomaticDecompression = System.Net.DecompressionMethods.GZip,
            UseProxy = false,
            SslOptions = Trust(configuration),
        };

        HttpMessageHandler handler = sockets;
        if (tokenFile is not null)
        {
            handler = new TokenFileHandler(tokenFile, time) { InnerHandler = sockets };
        }
        else if (configuration.TokenProvider is not null)
        {
            handler = new TokenProviderHandler(configuration.TokenProvider) { InnerHandler = sockets };
        }
        else if (!string.IsNullOrEmpty(configuration.AccessToken))
        {
            handler = new TokenProviderHandler(new StringTokenProvider(configuration.AccessToken, "Bearer")) { InnerHandler = sockets };
        }

        var http = new HttpClient(new TransientRetryHandler(time) { InnerHandler = handler })
        {
            // A server below a path keeps it only when the base ends with a slash.
            BaseAddress = new Uri(configuration.Host.TrimEnd('/') + "/"),
            DefaultRequestVersion = System.Net.HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
            Timeout = TimeSpan.FromSeconds(30),
        };
        http.DefaultRequestHeaders.UserAgent.ParseAdd("prewarm");
        return http;
    }

    private static SslClientAuthenticationOptions Trust(KubernetesClientConfiguration configuration)
    {
        var options = new SslClientAuthenticationOptions { EnabledSslProtocols = SslProtocols.None };
        if (!string.IsNullOrEmpty(configuration.TlsServerName))
        {
            options.TargetHost = configuration.TlsServerName;
        }

        if (configuration.SkipTlsVerify)
        {
            throw new InvalidOperationException("insecure-skip-tls-verify is set in the kubeconfig: give the cluster's certificate-authority instead");
        }

        if (configuration.SslCaCerts is { Count: > 0 } authorities)
        {
            // Only the cluster's own CA, and no look-ups: private CAs publish no revocation lists.
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(authorities);
            options.CertificateChainPolicy = policy;
        }

        if (ClientCertificate(configuration) is { } certificate)
        {
            options.ClientCertificates = [certificate];
        }

        return options;
    }

    private static X509Certificate2? ClientCertificate(KubernetesClientConfiguration configuration)
    {
        var certificate = Pem(configuration.ClientCertificateData, configuration.ClientCertificateFilePath);
        var key = Pem(configuration.ClientCertificateKeyData, configuration.ClientKeyFilePath);
        return certificate is null || key is null ? null : X509Certificate2.CreateFromPem(certificate, key);
    }

    // Data wins over a path, as in kubectl.
    private static string? Pem(string? base64, string? path) =>
        !string.IsNullOrEmpty(base64) ? Encoding.UTF8.GetString(Convert.FromBase64String(base64))
        : !string.IsNullOrEmpty(path) ? File.ReadAllText(path)
        : null;
}
