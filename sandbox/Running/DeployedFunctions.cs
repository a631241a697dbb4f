using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;

namespace Prewarm.Sandbox.Running;

/// <summary>
/// The functions as a cluster has them: <c>knative/</c> and <c>eventing/</c> are applied with kubectl as docs/operations.md says, and every role is a
/// Knative Service of its own, with its own ServiceAccount, reached through the gateway.
/// </summary>
internal sealed class DeployedFunctions : IFunctions
{
    private const string Namespace = FunctionsAccess.Namespace;
    private static readonly ResourceType<JsonObject> s_budgets = new("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", ClusterJson.Default.JsonObject);
    private static readonly TimeSpan s_ready = TimeSpan.FromSeconds(90);
    private readonly Dictionary<string, ServiceAddress> _addresses = [];

    private readonly IReadOnlyList<JsonObject> _knative, _eventing;

    private DeployedFunctions(IReadOnlyList<JsonObject> knative, IReadOnlyList<JsonObject> eventing) => (_knative, _eventing) = (knative, eventing);

    public Uri Relay => _addresses["prewarm-relay"].Address;

    public Uri Uploads => _addresses["prewarm-uploads"].Address;

    public Uri Operate => _addresses["prewarm-operate"].Address;

    public Uri Line => _addresses["prewarm-cluster"].Address;

    public int? Id => null;

    public int Restarts => 0;

    /// <summary>Builds the manifests and opens their Services' addresses; there is nothing behind them until <see cref="DeployAsync"/>.</summary>
    /// <param name="folder">Holds <c>knative</c> and <c>eventing</c>.</param>
    /// <param name="token"><c>Events__Token</c>.</param>
    /// <exception cref="InvalidOperationException">kubectl is missing or cannot build them; the message says why.</exception>
    public static async Task<DeployedFunctions> StartAsync(KubectlProgram kubectl, string folder, string token, Uri gateway, CancellationToken cancellationToken)
    {
        async Task<IReadOnlyList<JsonObject>> BuildAsync(string part) =>
            [.. Yaml.Documents((await kubectl.RunAsync(null, cancellationToken, "kustomize", Path.Combine(folder, part))).Replace("EVENTS_TOKEN", token, StringComparison.Ordinal))];
        var functions = new DeployedFunctions(await BuildAsync("knative"), await BuildAsync("eventing"));
        foreach (var service in functions._knative.Concat(functions._eventing).Where(o => o.Text("apiVersion") == Kinds.Services.ApiVersion && o.Text("kind") == Kinds.Services.Kind))
        {
            functions._addresses[service.Name()] = await ServiceAddress.StartAsync(gateway, $"{service.Name()}.{Namespace}.svc.cluster.local", cancellationToken);
        }

        return functions;
    }

    /// <summary>The address of a Service of ours; null for any other.</summary>
    public Uri? Resolve(string ns, string name) => ns == Namespace && _addresses.TryGetValue(name, out var address) ? address.Address : null;

    /// <summary>Follows docs/operations.md: the token, <c>knative</c> with its settings, <c>eventing</c>; then waits until every Service is Ready.</summary>
    /// <param name="builtIn">The server is the sandbox's own, which lacks even what Kubernetes has built in.</param>
    /// <param name="settings">What an overlay would patch into the ConfigMap.</param>
    /// <param name="token"><c>Events__Token</c>.</param>
    /// <exception cref="InvalidOperationException">kubectl refused, or a Service is not Ready in time; the message says which and why.</exception>
    public async Task DeployAsync(IKubeApi api, KubectlProgram kubectl, bool builtIn, JsonObject settings, string token, CancellationToken cancellationToken)
    {
        await OwnCrd.EnsureAllAsync(api, "Neighbours/neighbour-crds.yaml", o => builtIn || o.Text("spec", "group")!.Contains('.', StringComparison.Ordinal), cancellationToken);
        await api.EnsureAsync(Kinds.Namespaces, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, cancellationToken);
        await api.EnsureAsync(Kinds.Secrets, new()
        {
            ["metadata"] = new JsonObject { ["name"] = "prewarm-events", ["namespace"] = Namespace },
            ["data"] = new JsonObject { ["token"] = Convert.ToBase64String(Encoding.ASCII.GetBytes(token)) },
        }, cancellationToken);
        foreach (var map in _knative.Where(o => o.Text("kind") == "ConfigMap" && o.Name() == "prewarm-settings"))
        {
            foreach (var (key, value) in settings)
            {
                map["data"]![key] = value!.DeepClone();
            }
        }

        // The CRD is there already: docs/operations.md says what servers without rules in CEL do with it. They are also older than policy/v1.
        var budgets = await ServedAsync(api, cancellationToken);
        await ApplyAsync(kubectl, _knative.Where(o => o.Text("kind") != "CustomResourceDefinition" && (budgets || o.Text("kind") != s_budgets.Kind)), cancellationToken);
        await ApplyAsync(kubectl, _eventing, cancellationToken);
        await ReadyAsync(api, cancellationToken);
    }

    public void Kill() => throw new NotSupportedException("deployed functions are pods: nothing kills them on purpose");

    public async ValueTask DisposeAsync()
    {
        foreach (var address in _addresses.Values)
        {
            await address.DisposeAsync();
        }
    }

    private static Task ApplyAsync(KubectlProgram kubectl, IEnumerable<JsonObject> objects, CancellationToken cancellationToken) =>
        kubectl.RunAsync(string.Join("\n", objects.Select(o => o.ToJsonString())), cancellationToken, "apply", "--server-side", "--force-conflicts", "-f", "-");

    private static async Task<bool> ServedAsync(IKubeApi api, CancellationToken cancellationToken)
    {
        try
        {
            await api.ListAsync(s_budgets, Namespace, null, cancellationToken);
            return true;
        }
        catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return false;
        }
    }

    private static async Task ReadyAsync(IKubeApi api, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var waiting = (await api.ListAsync(Kinds.Services, Namespace, null, cancellationToken)).Items
                .Where(s => s.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == "Ready").Text("status") != "True").ToList();
            if (waiting.Count == 0)
            {
                return;
            }

            if (TimeProvider.System.GetElapsedTime(began) > s_ready)
            {
                throw new InvalidOperationException("not Ready: " + string.Join("; ", waiting.Select(s => $"{s.Name()}: {s.At("status", "conditions")?.ToJsonString()}")));
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken);
        }
    }
}
