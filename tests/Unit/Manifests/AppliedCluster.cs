using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>The sandbox's API server after <c>kubectl apply -k knative</c> and <c>-k eventing</c>, and what each ServiceAccount may do there.</summary>
public sealed class AppliedCluster : IAsyncLifetime
{
    private readonly ApiWorld _world = new();
    private readonly ConcurrentBag<CancellationTokenSource> _limits = [];
    private string _kubeconfig = "";

    internal KubeApi Admin => _world.Api;

    /// <summary>A minute from now: many tests share the cluster, one after another and beside others, so what one asks is limited and not how long it stands.</summary>
    internal CancellationToken Deadline
    {
        get
        {
            var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1), TimeProvider.System);
            _limits.Add(limit);
            return limit.Token;
        }
    }

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        _kubeconfig = _world.Server.WriteKubeconfig(Path.Combine(_world.Folder, "admin"));
        _world.Server.RegisterCrd(ManifestFolder.Read("sandbox/Running/neighbour-crds.yaml"));
        if (Kubectl.Program is not null)
        {
            await RunAsync("apply", "-k", "knative");
            await RunAsync("apply", "-k", "eventing");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        foreach (var limit in _limits)
        {
            limit.Dispose();
        }
    }

    /// <summary>Runs kubectl as the administrator; fails the test when it fails.</summary>
    internal async Task<string> RunAsync(params string[] args)
    {
        var (code, output) = await TryAsync(args);
        Assert.True(code == 0, $"kubectl {string.Join(' ', args)}: {output}");
        return output;
    }

    /// <summary>Runs kubectl as the administrator.</summary>
    internal async Task<(int Code, string Output)> TryAsync(params string[] args)
    {
        Kubectl.OrSkip();
        var (code, output, errors) = await Kubectl.RunAsync(["--kubeconfig", _kubeconfig, "--cache-dir", Path.Combine(_world.Folder, "cache"), .. args]);
        return (code, code == 0 ? output : output + errors);
    }

    /// <summary>A client with the token of a ServiceAccount of prewarm-system.</summary>
    internal async Task<HttpClient> ClientAsync(string account)
    {
        using var admin = _world.Server.CreateClient();
        var answer = await PostAsync(admin, $"/api/v1/namespaces/prewarm-system/serviceaccounts/{account}/token", new() { ["spec"] = new JsonObject { ["expirationSeconds"] = 600 } });
        return _world.Server.CreateClient(answer.Text("status", "token")!);
    }

    /// <summary>Asks the server as that client; <paramref name="resource"/> is <c>group/plural</c>, with a subresource behind a second slash.</summary>
    internal async Task<bool> MayAsync(HttpClient client, string verb, string resource, string? ns, string? name = null)
    {
        var parts = resource.Split('/');
        var answer = await PostAsync(client, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", new()
        {
            ["spec"] = new JsonObject
            {
                ["resourceAttributes"] = new JsonObject
                {
                    ["verb"] = verb,
                    ["group"] = parts[0],
                    ["resource"] = parts[1],
                    ["subresource"] = parts.ElementAtOrDefault(2) ?? "",
                    ["namespace"] = ns ?? "",
                    ["name"] = name ?? "",
                },
            },
        });
        return answer.At("status", "allowed")!.GetValue<bool>();
    }

    private async Task<JsonNode> PostAsync(HttpClient client, string path, JsonObject body)
    {
        using var content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var answer = await client.PostAsync(new Uri(path, UriKind.Relative), content, Deadline);
        var text = await answer.Content.ReadAsStringAsync(Deadline);
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }
}
