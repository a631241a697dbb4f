using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Knative;

namespace Prewarm.Sandbox.Running;

/// <summary>Runs the images that the manifests name: the functions as a process under their pod's ServiceAccount, and the program that shows dead letters.</summary>
/// <param name="binary">See <see cref="FunctionsProcess.StartAsync"/>.</param>
/// <param name="storeEndpoint">Stands in for OSS, whose address a CachedModel names.</param>
/// <param name="folder">Takes the logs and the accounts' kubeconfigs.</param>
internal sealed class FunctionsContainers(IKubeApi api, AccountAccess access, string? binary, Uri storeEndpoint, string folder, TimeProvider time) : IContainerRuntime
{
    private static readonly ResourceType<JsonObject> s_configMaps = new("", "v1", "configmaps", "ConfigMap", ClusterJson.Default.JsonObject);
    private int _deadLetters;

    /// <summary>Events that nobody took.</summary>
    public int DeadLetters => Volatile.Read(ref _deadLetters);

    public async Task<IRunningContainer?> StartAsync(JsonObject pod, CancellationToken cancellationToken)
    {
        var container = pod.At("spec", "containers").Objects().First();
        var image = container.Text("image") ?? "";
        var service = pod.Text("metadata", "labels", "serving.knative.dev/service") ?? pod.Name();
        if (image.Contains("/event_display", StringComparison.Ordinal))
        {
            return await EventDisplay.StartAsync(Path.Combine(folder, $"{service}.log"), () => Interlocked.Increment(ref _deadLetters), cancellationToken);
        }

        if (!image.StartsWith("prewarm/functions", StringComparison.Ordinal))
        {
            return null;
        }

        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in container["env"].Objects())
        {
            environment[entry.Text("name")!] = await ValueAsync(pod.Namespace(), entry, cancellationToken);
        }

        var account = pod.Text("spec", "serviceAccountName") ?? "default";
        environment["KUBECONFIG"] = await access.WriteKubeconfigAsync(pod.Namespace(), account, Path.Combine(folder, $"{pod.Name()}.kubeconfig"), cancellationToken);
        environment["K_SERVICE"] = service;
        environment["K_REVISION"] = pod.Text("metadata", "labels", RevisionController.RevisionLabel) ?? "";
        // The pods share one machine: a port of their own instead of 8080, and nobody else's address.
        environment["PORT"] = "0";
        environment["Host__Address"] = "127.0.0.1";
        environment["ObjectStore__Endpoint"] = storeEndpoint.ToString();
        environment["Logging__Json"] = "false";
        return await FunctionsProcess.StartAsync(binary, environment, Path.Combine(folder, $"{service}.log"), time, cancellationToken);
    }

    private async Task<string> ValueAsync(string ns, JsonNode entry, CancellationToken cancellationToken)
    {
        if (entry.Text("value") is { } value)
        {
            return value;
        }

        if (entry.At("valueFrom", "configMapKeyRef") is { } map)
        {
            var found = await api.GetAsync(s_configMaps, ns, map.Text("name")!, cancellationToken);
            return found.Text("data", map.Text("key")!) ?? throw new InvalidOperationException($"couldn't find key {map.Text("key")} in ConfigMap {ns}/{map.Text("name")}");
        }

        var reference = entry.At("valueFrom", "secretKeyRef") ?? throw new InvalidOperationException($"env {entry.Text("name")} has neither a value nor a reference that the sandbox reads");
        var secret = await api.GetAsync(Kinds.Secrets, ns, reference.Text("name")!, cancellationToken) ?? throw new InvalidOperationException($"secret \"{reference.Text("name")}\" not found");
        return System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(
            secret.Text("data", reference.Text("key")!) ?? throw new InvalidOperationException($"couldn't find key {reference.Text("key")} in Secret {ns}/{reference.Text("name")}")));
    }
}
