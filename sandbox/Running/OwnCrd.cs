using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Running;

/// <summary>The CachedModel CRD on an API server that may lack it.</summary>
internal static class OwnCrd
{
    public static async Task EnsureAsync(IKubeApi api, CancellationToken cancellationToken)
    {
        await EnsureAllAsync(api, "Crds/cachedmodel-crd.yaml", static _ => true, cancellationToken);
        await ServedAsync(api, Kinds.CachedModels, cancellationToken);
    }

    /// <summary>Creates those CRDs of a file that are not there, and waits until all are served: a server that was told of a CRD takes its time, the longer the more it has to do.</summary>
    /// <param name="resource">The name of one that this program carries.</param>
    public static async Task EnsureAllAsync(IKubeApi api, string resource, Func<JsonObject, bool> wanted, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(typeof(OwnCrd).Assembly.GetManifestResourceStream(resource)!);
        var crds = Yaml.Documents(await reader.ReadToEndAsync(cancellationToken)).Where(wanted).ToList();
        foreach (var crd in crds)
        {
            if (await api.GetAsync(Kinds.Crds, null, crd.Name(), cancellationToken) is null)
            {
                // Not applied: a server that is older than CEL refuses to apply a field it does not know, and ignores it in what is created.
                await api.CreateAsync(Kinds.Crds, null, crd, cancellationToken);
            }
        }

        foreach (var crd in crds)
        {
            var names = crd.At("spec", "names");
            foreach (var version in crd.At("spec", "versions").Objects().Where(v => v.Text("served") == "true"))
            {
                await ServedAsync(api, new(crd.Text("spec", "group")!, version.Text("name")!, names.Text("plural")!, names.Text("kind")!, ClusterJson.Default.JsonObject), cancellationToken);
            }
        }
    }

    private static async Task ServedAsync(IKubeApi api, ResourceType<JsonObject> type, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await api.ListAsync(type, null, null, cancellationToken);
                return;
            }
            catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
            }
        }
    }
}
