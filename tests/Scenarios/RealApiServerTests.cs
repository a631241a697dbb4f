using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Scale.Reads;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.ApiServer;
using Xunit;

namespace Prewarm.Tests.Scenarios;

/// <summary>
/// The line against a real kube-apiserver with the real CRDs of Fluid, KServe and Knative; the test plays the controllers.
/// Explicit: needs a server, whose kubeconfig PREWARM_TEST_KUBECONFIG names.
/// </summary>
public sealed class RealApiServerTests : IDisposable
{
    private readonly WriteRecorder _writes;
    private readonly HttpClient _http;
    private readonly KubeApi _api;
    private readonly OneFolderPerVersion _uploads = new();
    private readonly AlwaysRight _prover = new();
    private readonly ModelLine _line;
    private readonly string _ns = $"story-{Guid.NewGuid():N}"[..20];

    public RealApiServerTests()
    {
        var kubeconfig = Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG");
        Assert.SkipWhen(kubeconfig is null, "PREWARM_TEST_KUBECONFIG is not set: give the kubeconfig of a test API server");
        var inner = KubeApiFactory.CreateHttpClient(kubeconfig);
        _writes = new(inner);
        _http = new(_writes) { BaseAddress = inner.BaseAddress };
        _api = new(_http);
        _line = new(_api, _uploads, _prover, TimeProvider.System, NullLogger<ModelLine>.Instance);
    }

    private static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    private ModelKey Key => new(_ns, "bloom");

    public void Dispose() => _http.Dispose();

    [Fact(Explicit = true)]
    public async Task Line_UploadToTrafficToNextVersionToDeletion_EveryFieldKeptAndNothingLeft()
    {
        await PrepareAsync();
        _uploads.Complete("v1");
        Assert.Equal(LineOutcome.Settled, await _line.AdvanceAsync(Key, Deadline));
        var v1 = (await ModelAsync()).Status!.Versions!.Single();
        Assert.Equal("Warming", v1.State);

        // Nothing of what we wrote is pruned by the real CRDs.
        var model = await ModelAsync();
        var dataset = await _api.GetAsync(FluidKinds.Datasets, _ns, v1.Dataset!, Deadline);
        var runtime = await _api.GetAsync(FluidKinds.JindoRuntimes, _ns, v1.Dataset!, Deadline);
        var load = await _api.GetAsync(FluidKinds.DataLoads, _ns, v1.DataLoad!, Deadline);
        Assert.True(JsonSubset.Covers(dataset!, WarmObjects.Dataset(model, v1.Dataset!, "models/bloom/v1/", "v1", v1.Digest!), FluidJsonContext.Default.Dataset));
        Assert.True(JsonSubset.Covers(runtime!, WarmObjects.Runtime(model, v1), FluidJsonContext.Default.JindoRuntime));
        Assert.True(JsonSubset.Covers(load!, WarmObjects.Load(model, v1), FluidJsonContext.Default.DataLoad));

        await NoWritesAsync();
        await PlayFluidAsync(v1);
        await _line.AdvanceAsync(Key, Deadline);
        await PlayKServeAsync("v1", "fluid-bloom-predictor-00001", ready: true, "fluid-bloom-predictor-00001");
        await _line.AdvanceAsync(Key, Deadline);
        Assert.Equal("v1", (await ModelAsync()).Status!.Version);
        await NoWritesAsync();

        // The next version gets no traffic before it has answered.
        _uploads.Complete("v2");
        await _line.AdvanceAsync(Key, Deadline);
        await PlayFluidAsync((await ModelAsync()).Status!.Versions!.Single(v => v.Name == "v2"));
        await _line.AdvanceAsync(Key, Deadline);
        Assert.Equal(0, (int?)(await ServiceAsync())!.Spec!.Predictor!["canaryTrafficPercent"]);
        await PlayKServeAsync("v2", "fluid-bloom-predictor-00002", ready: true, "fluid-bloom-predictor-00001");
        await _line.AdvanceAsync(Key, Deadline);
        Assert.Null((await ServiceAsync())!.Spec!.Predictor!["canaryTrafficPercent"]);
        await PlayKServeAsync("v2", "fluid-bloom-predictor-00002", ready: true, "fluid-bloom-predictor-00002");
        await _line.AdvanceAsync(Key, Deadline);
        Assert.Equal("v2", (await ModelAsync()).Status!.Version);
        Assert.Equal("v2 100%", (await ModelAsync()).Status!.Traffic);
        await NoWritesAsync();

        // Nothing is left after the model is deleted.
        await _api.DeleteAsync(CatalogKinds.CachedModels, _ns, "bloom", null, now: false, Deadline);
        await _line.AdvanceAsync(Key, Deadline);
        Assert.Null(await _api.GetAsync(CatalogKinds.CachedModels, _ns, "bloom", Deadline));
        Assert.Null(await ServiceAsync());
        Assert.Empty((await _api.ListAsync(FluidKinds.Datasets, _ns, null, Deadline)).Items);
        Assert.Empty((await _api.ListAsync(FluidKinds.JindoRuntimes, _ns, null, Deadline)).Items);
        Assert.Empty((await _api.ListAsync(FluidKinds.DataLoads, _ns, null, Deadline)).Items);
    }

    /// <summary>cache.verify: Read, made with no more rights than the manifests give the role that makes it.</summary>
    [Fact(Explicit = true)]
    public async Task ReadJob_ByTheRoleThatMakesIt_IsAccepted_EveryFieldKept()
    {
        await PrepareAsync();
        var role = Yaml.Documents(await File.ReadAllTextAsync(Path.Combine(Checkout.Root, "knative", "base", "roles.yaml"), Deadline))
            .Single(d => d["rules"] is JsonArray rules && rules.Any(r => r!["resources"]!.AsArray().Any(x => (string?)x == "jobs")));
        var user = $"{_ns}-reader";
        var made = new JsonObject { ["apiVersion"] = "rbac.authorization.k8s.io/v1", ["kind"] = "ClusterRole", ["metadata"] = new JsonObject { ["name"] = user }, ["rules"] = role["rules"]!.DeepClone() };
        await PostAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles", made.ToJsonString());
        await PostAsync($"/apis/rbac.authorization.k8s.io/v1/namespaces/{_ns}/rolebindings", $$$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"reader"},
             "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{{{user}}}"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"{{{user}}}"}]}
            """);
        using var http = KubeApiFactory.CreateHttpClient(Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG"));
        http.DefaultRequestHeaders.Add("Impersonate-User", user);
        using var api = new KubeApi(http);
        var job = ReadJob.Of(await ModelAsync(), new() { Name = "v1", Dataset = "bloom-v1", Digest = new('a', 64), Path = "/models/bloom/v1/", Bytes = 1 << 20 }, "node-1", "bloom-read-1", "busybox:1.36");
        var version = JsonNode.Parse(await _http.GetStringAsync(new Uri("/version", UriKind.Relative), Deadline))!;
        if (int.Parse(((string)version["minor"]!).TrimEnd('+'), System.Globalization.CultureInfo.InvariantCulture) < 21)
        {
            // Behind a feature gate until Kubernetes 1.21 (TTLAfterFinished): such a server drops it.
            job.Spec!.Remove("ttlSecondsAfterFinished");
        }

        var kept = await api.CreateAsync(ReadKinds.Jobs, _ns, job, Deadline);
        Assert.True(JsonSubset.Covers(kept, job, ReadKinds.Jobs.Json), $"sent {job.Spec!.ToJsonString()}, kept {kept.Spec!.ToJsonString()}");
        Assert.Contains((await api.ListAsync(ReadKinds.Jobs, _ns, ReadJob.Label, Deadline)).Items, j => j.Metadata.Name == job.Metadata.Name);
        // And no more than that.
        Assert.Equal(403, (int)(await Assert.ThrowsAsync<KubeApiException>(() => api.DeleteAsync(ReadKinds.Jobs, _ns, job.Metadata.Name!, null, now: false, Deadline))).StatusCode);
        await _api.DeleteAsync(ReadKinds.Jobs, _ns, job.Metadata.Name!, null, now: true, Deadline);
    }

    private async Task PrepareAsync()
    {
        await PostAsync("/api/v1/namespaces", $$$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{{_ns}}}"}}""");
        await PostAsync($"/api/v1/namespaces/{_ns}/secrets", """{"apiVersion":"v1","kind":"Secret","metadata":{"name":"access-key"},"stringData":{"fs.oss.accessKeyId":"AK","fs.oss.accessKeySecret":"SK"}}""");
        await PostAsync($"/apis/prewarm.dev/v1alpha1/namespaces/{_ns}/cachedmodels", """
            {"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"bloom"},"spec":{
              "source":{"uri":"oss://fluid-demo/models/bloom","endpoint":"oss-cn-hangzhou-internal.aliyuncs.com","credentialsSecret":"access-key"},
              "serving":{"name":"fluid-bloom","modelName":"bloom","predictor":{"timeout":600,"minReplicas":0,"containers":[{"name":"kserve-container",
                "image":"example.com/kserve-fluid:bloom-gpu","resources":{"limits":{"cpu":"12","memory":"48Gi","nvidia.com/gpu":1}}}]}}}}
            """);
    }

    private async Task PostAsync(string path, string json)
    {
        using var content = new StringContent(json, System.Text.Encoding.UTF8, "application/json");
        using var response = await _http.PostAsync(new Uri(path, UriKind.Relative), content, Deadline);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Deadline));
    }

    private async Task PlayFluidAsync(VersionStatus version)
    {
        await _api.MergePatchAsync(FluidKinds.Datasets, _ns, version.Dataset!, """{"status":{"phase":"Bound","conditions":[],"cacheStates":{"cached":"2.00MiB"}}}""", "status", Deadline);
        await _api.MergePatchAsync(FluidKinds.JindoRuntimes, _ns, version.Dataset!,
            """{"status":{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}}""", "status", Deadline);
        await _api.MergePatchAsync(FluidKinds.DataLoads, _ns, version.DataLoad!, """{"status":{"phase":"Complete","duration":"45s","conditions":[]}}""", "status", Deadline);
    }

    private async Task PlayKServeAsync(string version, string revision, bool ready, string rolledOut)
    {
        var digest = (await ModelAsync()).Status!.Versions!.Single(v => v.Name == version).Digest;
        if (await _api.GetAsync(ServingKinds.Revisions, _ns, revision, Deadline) is null)
        {
            await PostAsync($"/apis/serving.knative.dev/v1/namespaces/{_ns}/revisions",
                $$$"""{"apiVersion":"serving.knative.dev/v1","kind":"Revision","metadata":{"name":"{{{revision}}}","annotations":{"prewarm.dev/digest":"{{{digest}}}"}},"spec":{"containers":[{"image":"i"}]}}""");
        }

        await _api.MergePatchAsync(ServingKinds.Revisions, _ns, revision,
            $$$"""{"status":{"conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "False")}}}"}] } }""", "status", Deadline);
        var traffic = revision == rolledOut
            ? $$"""[{"revisionName":"{{revision}}","latestRevision":true,"percent":100,"tag":"latest","url":"http://latest-fluid-bloom-predictor.example.com"}]"""
            : $$"""[{"revisionName":"{{revision}}","latestRevision":true,"percent":0,"tag":"latest","url":"http://latest-fluid-bloom-predictor.example.com"},{"revisionName":"{{rolledOut}}","latestRevision":false,"percent":100,"tag":"prev"}]""";
        await _api.MergePatchAsync(ServingKinds.InferenceServices, _ns, "fluid-bloom", $$$"""
            {"status":{"url":"http://fluid-bloom.example.com","conditions":[{"type":"Ready","status":"True"}],
              "components":{"predictor":{"latestCreatedRevision":"{{{revision}}}","latestReadyRevision":"{{{revision}}}","latestRolledoutRevision":"{{{rolledOut}}}","traffic":{{{traffic}}} } } } }
            """, "status", Deadline);
    }

    private async Task NoWritesAsync()
    {
        var before = _writes.Writes.Count;
        await _line.AdvanceAsync(Key, Deadline);
        Assert.Equal([], _writes.Writes.Skip(before));
    }

    private async Task<CachedModel> ModelAsync() => (await _api.GetAsync(CatalogKinds.CachedModels, _ns, "bloom", Deadline))!;

    private Task<InferenceService?> ServiceAsync() => _api.GetAsync(ServingKinds.InferenceServices, _ns, "fluid-bloom", Deadline);

    /// <summary>Keeps what is not a read.</summary>
    private sealed class WriteRecorder(HttpClient inner) : HttpMessageHandler
    {
        public List<string> Writes { get; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.Method != HttpMethod.Get)
            {
                Writes.Add($"{request.Method} {request.RequestUri} {await request.Content!.ReadAsStringAsync(cancellationToken)}");
            }

            // A message can be sent once: the inner client gets a copy.
            var copy = new HttpRequestMessage(request.Method, request.RequestUri) { Content = request.Content };
            foreach (var header in request.Headers)
            {
                copy.Headers.TryAddWithoutValidation(header.Key, header.Value);
            }

            return await inner.SendAsync(copy, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            inner.Dispose();
            base.Dispose(disposing);
        }
    }

    private sealed class OneFolderPerVersion : IUploadSource
    {
        private readonly List<UploadedVersion> _versions = [];

        public void Complete(string version) => _versions.Add(new(version, $"models/bloom/{version}/", Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(System.Text.Encoding.UTF8.GetBytes(version))),
            5, 1 << 20, true, "IndexSatisfied", "all files are there", null, TimeProvider.System.GetUtcNow().AddSeconds(_versions.Count), $"models/bloom/{version}/golden.jsonl"));

        public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken)
        {
            Assert.Equal(("AK", "SK"), (accessKeyId, accessKeySecret));
            return Task.FromResult(new UploadObservation([.. _versions], null));
        }

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) =>
            Task.FromResult<byte[]?>("{}"u8.ToArray());
    }

    private sealed class AlwaysRight : IRevisionProver
    {
        public Task<(GoldenOutcome Outcome, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken) =>
            Task.FromResult((GoldenOutcome.Passed, "1 golden prediction passed"));
    }
}
