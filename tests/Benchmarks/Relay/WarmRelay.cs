using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;
using Server = Prewarm.Sandbox.ApiServer.ApiServer;

namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>The functions' binary in its relay role, before an API server where the model serves and is up.</summary>
internal static class WarmRelay
{
    public static async Task<(Proxy Proxy, Server Api)> StartAsync(Uri upstream, string folder, string? binary, string name = "relay")
    {
        var server = await Server.StartAsync(new(), default);
        var kubeconfig = server.WriteKubeconfig(Path.Combine(folder, "kubeconfig"));
        using var api = new KubeApi(KubeApiFactory.CreateHttpClient(kubeconfig));
        await OwnCrd.EnsureAsync(api, default);
        foreach (var model in (string[])["bloom", .. Enumerable.Range(0, 20).Select(i => $"other-{i}")])
        {
            await api.CreateAsync(Kinds.CachedModels, "default", (JsonObject)JsonNode.Parse($$$"""
                {"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"{{{model}}}"},
                 "spec":{"source":{"uri":"oss://bench/{{{model}}}","endpoint":"http://127.0.0.1:9"},"serving":{"predictor":{"containers":[{"name":"kserve-container","image":"x"}]} } } }
                """)!, default);
            await api.MergePatchAsync(Kinds.CachedModels, "default", model, $$$"""
                {"status":{"phase":"Serving","version":"v1","url":"http://{{{model}}}.default.example.com","versions":[{"name":"v1","state":"Serving","revision":"{{{model}}}-predictor-00001"}]}}
                """, "status", default);
            await api.CreateAsync(Kinds.PodAutoscalers, "default", (JsonObject)JsonNode.Parse($$$"""
                {"apiVersion":"autoscaling.internal.knative.dev/v1alpha1","kind":"PodAutoscaler",
                 "metadata":{"name":"{{{model}}}-predictor-00001","labels":{"serving.kserve.io/inferenceservice":"{{{model}}}","serving.knative.dev/revision":"{{{model}}}-predictor-00001"}},"spec":{}}
                """)!, default);
            await api.MergePatchAsync(Kinds.PodAutoscalers, "default", $"{model}-predictor-00001", """
                {"status":{"actualScale":1,"desiredScale":1,"conditions":[{"type":"Active","status":"True"},{"type":"Ready","status":"True"},{"type":"ScaleTargetInitialized","status":"True"}]}}
                """, "status", default);
        }

        var functions = await FunctionsProcess.StartAsync(binary, new Dictionary<string, string>
        {
            ["KUBECONFIG"] = kubeconfig,
            ["PORT"] = "0",
            ["Host__Address"] = "127.0.0.1",
            ["FUNCTIONS"] = "Predict,PredictV2,PredictOpenAI,PredictModel,Health,HealthReady,Metrics",
            ["Gateway__Address"] = upstream.ToString(),
            ["DOTNET_TieredPGO"] = "1",
            [Proxy.Jit] = "0",
        }, Path.Combine(folder, "functions.log"), TimeProvider.System, default);
        return (new(name, functions.Address, functions.Id, managed: true, functions.DisposeAsync), server);
    }
}
