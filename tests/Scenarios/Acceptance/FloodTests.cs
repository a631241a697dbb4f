using System.Globalization;
using System.Text.Json.Nodes;
using Amazon.S3;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Upload;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;
using Xunit;
using Server = Prewarm.Sandbox.ApiServer.ApiServer;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// A version of ten thousand files, and the flood of events that comes with it, at least one a file: measured at the store and at the process. The store is here, so that it can be
/// asked; API server and functions are as in
/// <c>sandbox up</c>, also where the other stories run on a real kube-apiserver: what is measured is the store's and the process's. Nobody plays Fluid: the line goes as far as the DataLoad.
/// </summary>
public sealed class FloodTests(ITestOutputHelper output) : IAsyncDisposable
{
    private const int Files = 10_000;
    private const string Bucket = "flood";
    private const string Prefix = "m/";

    /// <value>
    /// MiB that the process may grow by while it happens: a listing of 10,000 objects is 4 MiB, and of 800 events a second some 2,500 wait at once for the listing that answers them, about 20 KB each
    /// (45 to 83 MiB were seen). Keeping them all would take twice this.
    /// </value>
    private const double MostGrowth = 120;

    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromMinutes(4));
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("flood-");
    private readonly List<IAsyncDisposable> _parts = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var part in Enumerable.Reverse(_parts))
        {
            await part.DisposeAsync();
        }

        _folder.Delete(recursive: true);
        _deadline.Dispose();
    }

    [Fact(Explicit = true)]
    public async Task TenThousandObjects_OneListingInTwoSeconds_BoundedMemory_OneDataLoad_AndTheFloodDrains()
    {
        var time = TimeProvider.System;
        var server = await Server.StartAsync(new(), _deadline.Token);
        _parts.Add(server);
        var kubeconfig = server.WriteKubeconfig(Path.Combine(_folder.FullName, "kubeconfig"));
        using var http = KubeApiFactory.CreateHttpClient(kubeconfig);
        using var api = new KubeApi(http);
        await OwnCrd.EnsureAsync(api, _deadline.Token);
        var store = await Store.StartAsync(new() { Bucket = Bucket }, _deadline.Token);
        _parts.Add(store);
        var functions = await FunctionsProcess.StartAsync(null, new Dictionary<string, string>
        {
            ["KUBECONFIG"] = kubeconfig,
            ["Host__Address"] = "127.0.0.1",
            ["PORT"] = "0",
            ["ObjectStore__Endpoint"] = store.Endpoint.ToString(),
            ["Logging__Json"] = "false",
        }, Path.Combine(_folder.FullName, "functions.log"), time, _deadline.Token);
        _parts.Add(functions);
        store.EventSink = new(functions.Address, "/events/oss");
        using var client = new HttpClient { BaseAddress = functions.Address };
        var model = await CreateAsync(api, http, store);
        using var s3 = StoreClient.Connect(StoreEndpoint.Parse(store.Endpoint.ToString())!, store.AccessKeyId, store.AccessKeySecret, new(), time);

        // A small version first: code is compiled and pools are filled before anything is measured.
        await PutAsync(s3, "v0/config.json", "{}");
        await UntilAsync(async () => Version(await ModelAsync(http), "v0") is not null, "v0 is not seen");
        var before = Resident(functions.Id);
        var began = time.GetUtcNow();
        await Parallel.ForEachAsync(Enumerable.Range(0, Files - 1), new ParallelOptions { MaxDegreeOfParallelism = 32, CancellationToken = _deadline.Token },
            async (i, _) => await PutAsync(s3, $"v1/model-{i:00000}-of-{Files - 1:00000}.safetensors", "weights"));
        await PutAsync(s3, "v1/model.safetensors.index.json",
            new JsonObject { ["weight_map"] = new JsonObject(Enumerable.Range(0, Files - 1).Select(i => KeyValuePair.Create($"t{i}", (JsonNode?)$"model-{i:00000}-of-{Files - 1:00000}.safetensors"))) }.ToJsonString());
        var uploaded = time.GetUtcNow();
        await UntilAsync(async () => Version(await ModelAsync(http), "v1").Text("dataLoad") is not null, "v1 gets no DataLoad");
        var loaded = time.GetUtcNow();

        // Every event is answered: those that say nothing new at once.
        await UntilAsync(async () => await AnsweredAsync(client) >= Files, "the events are not answered");
        var drained = time.GetUtcNow();
        var peak = Peak(functions.Id);
        var listings = store.Listings.Of(Bucket, Prefix).Where(l => l >= began).ToList();
        var gaps = listings.Zip(listings.Skip(1), (a, b) => (b - a).TotalSeconds).ToList();
        var loads = (await api.ListAsync(Prewarm.Functions.Warm.FluidKinds.DataLoads, "default", null, _deadline.Token)).Items.Where(l => l.Metadata.Labels!["prewarm.dev/version"] == "v1").ToList();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Files} objects in {(uploaded - began).TotalSeconds:0.0} s; {listings.Count} listings until drained, closest {gaps.Min():0.00} s apart; DataLoad {(loaded - uploaded).TotalSeconds:0.0} s after the last object; all events answered {(drained - uploaded).TotalSeconds:0.0} s after it; resident {before:0} MiB before, {peak:0} MiB at most"));
        Assert.Single(loads);
        Assert.Equal(Files, Version(await ModelAsync(http), "v1").Number("files"));
        Assert.True(gaps.Min() > 1.9, $"two listings {gaps.Min()} s apart");
        Assert.True(listings.Count <= ((drained - began).TotalSeconds / 2) + 2, $"{listings.Count} listings in {(drained - began).TotalSeconds} s");
        Assert.True(loaded - uploaded < TimeSpan.FromSeconds(20), $"{loaded - uploaded}");
        Assert.True(drained - uploaded < TimeSpan.FromSeconds(60), $"{drained - uploaded}");
        Assert.True(peak - before < MostGrowth, $"{before} MiB before, {peak} MiB at most");
        Assert.Equal(model, (await ModelAsync(http)).Text("metadata", "uid"));
    }

    private static Task PutAsync(AmazonS3Client s3, string key, string text) =>
        s3.PutObjectAsync(new() { BucketName = Bucket, Key = Prefix + key, ContentBody = text, UseChunkEncoding = false });

    private async Task<string> CreateAsync(KubeApi api, HttpClient http, Store store)
    {
        await api.EnsureAsync(Kinds.Namespaces, new() { ["metadata"] = new JsonObject { ["name"] = "default" } }, _deadline.Token);
        await PostAsync(http, "api/v1/namespaces/default/secrets", $$$"""
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"access-key"},"stringData":{"fs.oss.accessKeyId":"{{{store.AccessKeyId}}}","fs.oss.accessKeySecret":"{{{store.AccessKeySecret}}}"}}
            """);
        return (await PostAsync(http, "apis/prewarm.dev/v1alpha1/namespaces/default/cachedmodels", $$$"""
            {"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"bloom"},"spec":{
              "source":{"uri":"oss://{{{Bucket}}}/m","endpoint":"oss-cn-hangzhou-internal.aliyuncs.com","credentialsSecret":"access-key","complete":{"quietSeconds":12}},
              "serving":{"predictor":{"containers":[{"name":"kserve-container","image":"example.com/kserve-fluid:ngram"}]} } } }
            """)).Text("metadata", "uid")!;
    }

    private async Task<JsonObject> PostAsync(HttpClient http, string path, string json)
    {
        using var content = new StringContent(json, System.Text.Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri(path, UriKind.Relative), content, _deadline.Token);
        var text = await answer.Content.ReadAsStringAsync(_deadline.Token);
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!.AsObject();
    }

    private async Task<JsonObject> ModelAsync(HttpClient http) =>
        JsonNode.Parse(await http.GetStringAsync(new Uri("apis/prewarm.dev/v1alpha1/namespaces/default/cachedmodels/bloom", UriKind.Relative), _deadline.Token))!.AsObject();

    private static JsonObject? Version(JsonObject model, string name) => model.Version(name);

    /// <summary>Events that became something, of the functions' own metric.</summary>
    private async Task<double> AnsweredAsync(HttpClient client) =>
        (await client.GetStringAsync(new Uri("/metrics", UriKind.Relative), _deadline.Token)).Split('\n')
            .Where(l => l.StartsWith("prewarm_events_total{source=\"oss\"", StringComparison.Ordinal) && !l.Contains("later", StringComparison.Ordinal))
            .Sum(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    private Task UntilAsync(Func<Task<bool>> done, string otherwise) => UserWorld.UntilAsync(done, () => otherwise, TimeSpan.FromSeconds(150));

    /// <summary>MiB, /proc/PID/status.</summary>
    private static double Resident(int process) => Memory(process, "VmRSS:");

    private static double Peak(int process) => Memory(process, "VmHWM:");

    private static double Memory(int process, string field) =>
        double.Parse(File.ReadLines($"/proc/{process}/status").First(l => l.StartsWith(field, StringComparison.Ordinal))[field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture) / 1024;
}
