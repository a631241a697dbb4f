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
        while (!await ServedAsync(api, cancellationToken))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
        }
    }

    /// <summary>Creates those CRDs of a file that are not there.</summary>
    /// <param name="resource">The name of one that this program carries.</param>
    public static async Task EnsureAllAsync(IKubeApi api, string resource, Func<JsonObject, bool> wanted, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(typeof(OwnCrd).Assembly.GetManifestResourceStream(resource)!);
        foreach (var crd in Yaml.Documents(await reader.ReadToEndAsync(cancellationToken)).Where(wanted))
        {
            if (await api.GetAsync(Kinds.Crds, null, crd.Name(), cancellationToken) is null)
            {
                // Not applied: a server that is older than CEL refuses to apply a field it does not know, and ignores it in what is created.
                await api.CreateAsync(Kinds.Crds, null, crd, cancellationToken);
            }
        }
    }

    private static async Task<bool> ServedAsync(IKubeApi api, CancellationToken cancellationToken)
    {
        try
        {
            await api.ListAsync(Kinds.CachedModels, null, null, cancellationToken);
            return true;
        }
        catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return false;
        }
    }
}
