using System.Net.Http.Json;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using k8s;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Running;

/// <summary>A kubeconfig for a ServiceAccount: what a pod finds mounted.</summary>
/// <param name="http">The administrator's client.</param>
/// <param name="adminKubeconfig">Names the server and its CA.</param>
internal sealed class AccountAccess(HttpClient http, string adminKubeconfig)
{
    /// <summary>The address that accounts are given in place of the server's own; null: that one.</summary>
    public Uri? Passage { get; init; }

    /// <returns><paramref name="file"/>.</returns>
    /// <exception cref="InvalidOperationException">The server gives no token, because there is no such account.</exception>
    public async Task<string> WriteKubeconfigAsync(string ns, string account, string file, CancellationToken cancellationToken)
    {
        var configuration = KubernetesClientConfiguration.BuildConfigFromConfigFile(new FileInfo(adminKubeconfig));
        var authority = string.Concat(configuration.SslCaCerts?.Select(c => c.ExportCertificatePem() + "\n") ?? []);
        await File.WriteAllTextAsync(file, $"""
            apiVersion: v1
            kind: Config
            current-context: functions
            clusters:
            - name: cluster
              cluster:
                server: {Passage?.ToString() ?? configuration.Host}
                certificate-authority-data: {Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(authority))}
            users:
            - name: functions
              user:
                token: {await TokenAsync(ns, account, cancellationToken)}
            contexts:
            - name: functions
              context:
                cluster: cluster
                user: functions
            """ + "\n", cancellationToken);
        return file;
    }

    private async Task<string> TokenAsync(string ns, string account, CancellationToken cancellationToken)
    {
        using var content = JsonContent.Create(new JsonObject
        {
            ["apiVersion"] = "authentication.k8s.io/v1",
            ["kind"] = "TokenRequest",
            ["spec"] = new JsonObject { ["audiences"] = new JsonArray(), ["expirationSeconds"] = 86_400 },
        });
        using var answer = await http.PostAsync(new Uri($"api/v1/namespaces/{ns}/serviceaccounts/{account}/token", UriKind.Relative), content, cancellationToken);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancellationToken));
        return body.Text("status", "token") ?? throw new InvalidOperationException($"the API server gives no token for ServiceAccount {ns}/{account}: {body?.ToJsonString()}");
    }
}
