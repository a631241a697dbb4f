using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>A miniature Kubernetes API server on loopback: HTTPS with its own CA, objects in memory.</summary>
internal sealed class ApiServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Requests _requests;
    private readonly Writer _writer;
    private readonly X509Certificate2 _serving;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _collecting;

    private ApiServer(WebApplication app, Requests requests, Writer writer, Collector collector, Registry registry, ObjectStore store, X509Certificate2 ca, X509Certificate2 serving, string token)
    {
        (_app, _requests, _writer, Registry, Store, CertificateAuthority, _serving, AdminToken) = (app, requests, writer, registry, store, ca, serving, token);
        _collecting = Task.Run(() => collector.RunAsync(_stop.Token));
        Address = new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    public Uri Address { get; }

    /// <summary>Bearer token of a member of system:masters.</summary>
    public string AdminToken { get; }

    /// <summary>The CA that signed the serving certificate, without its key.</summary>
    public X509Certificate2 CertificateAuthority { get; }

    public ObjectStore Store { get; }

    public Registry Registry { get; }

    public static async Task<ApiServer> StartAsync(ApiServerOptions options, CancellationToken cancellationToken)
    {
        var (ca, serving) = Certificates(options.Time.GetUtcNow());
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        var store = new ObjectStore(options.History);
        var registry = new Registry();
        var writer = new Writer(store, registry, options.Time);
        var deletions = new Deletions(store, registry, options.Time);
        writer.Finished = deletions.Remove;
        var collector = new Collector(store, registry, writer, deletions);
        store.Changed = collector.Notice;
        var requests = new Requests(store, registry, new Access(store, registry, token, options.Time), writer, deletions, options);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Every client's watches share its one connection.
            kestrel.Limits.Http2.MaxStreamsPerConnection = 1000;
            kestrel.Listen(IPAddress.Loopback, options.Port, listen => listen.UseHttps(serving));
        });
        var app = builder.Build();
        app.Run(requests.HandleAsync);
        await app.StartAsync(cancellationToken);
        var server = new ApiServer(app, requests, writer, collector, registry, store, ca, serving, token);
        foreach (var name in (string[])["default", "kube-system", "kube-public"])
        {
            writer.Create(registry.Find("", "v1", "namespaces")!, null, new() { ["metadata"] = new JsonObject { ["name"] = name } }, new("apiserver"));
        }

        if (options.BuiltInCrds)
        {
            var assembly = typeof(ApiServer).Assembly;
            foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith("Crds/", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
                server.RegisterCrd(await reader.ReadToEndAsync(cancellationToken));
            }
        }

        return server;
    }

    /// <summary>Creates every CustomResourceDefinition of a YAML text.</summary>
    public void RegisterCrd(string yaml)
    {
        foreach (var crd in Yaml.Documents(yaml))
        {
            _writer.Create(Registry.Find("apiextensions.k8s.io", "v1", "customresourcedefinitions")!, null, crd, new("apiserver"));
        }
    }

    /// <summary>Writes a kubeconfig of the administrator; returns its path.</summary>
    public string WriteKubeconfig(string path) => WriteKubeconfig(path, AdminToken);

    /// <summary>Writes a kubeconfig of the user behind <paramref name="token"/>; returns its path.</summary>
    public string WriteKubeconfig(string path, string token)
    {
        var ca = Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(CertificateAuthority.ExportCertificatePem()));
        File.WriteAllText(path, $"""
            apiVersion: v1
            kind: Config
            current-context: sandbox
            clusters:
            - name: sandbox
              cluster:
                server: {Address.ToString().TrimEnd('/')}
                certificate-authority-data: {ca}
            users:
            - name: user
              user:
                token: {token}
            contexts:
            - name: sandbox
              context:
                cluster: sandbox
                user: user
            """ + "\n");
        return path;
    }

    /// <summary>A client that trusts the CA; by default the administrator's.</summary>
    public HttpClient CreateClient(string? token = null)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(CertificateAuthority);
        var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = policy;
        var client = new HttpClient(handler) { BaseAddress = Address, Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token ?? AdminToken);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        _requests.Stop();
        await _stop.CancelAsync();
        await _collecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _app.StopAsync();
        await _app.DisposeAsync();
        _requests.Dispose();
        _stop.Dispose();
        _serving.Dispose();
        CertificateAuthority.Dispose();
    }

    private static (X509Certificate2 Ca, X509Certificate2 Serving) Certificates(DateTimeOffset now)
    {
        var (from, to) = (now.AddDays(-1), now.AddYears(1));
        using var caKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var caRequest = new CertificateRequest("CN=prewarm-sandbox-ca", caKey, HashAlgorithmName.SHA256);
        caRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        caRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        caRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(caRequest.PublicKey, false));
        using var ca = caRequest.CreateSelfSigned(from, to);

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kubernetes", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1")], false));
        using var signed = request.Create(ca, from, to, RandomNumberGenerator.GetBytes(12));
        using var withKey = signed.CopyWithPrivateKey(key);
        return (X509CertificateLoader.LoadCertificate(ca.RawData), X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null));
    }
}
