using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Unit.Operate;

/// <summary>The functions as a process, against the sandbox's API server over HTTPS and its object store over S3.</summary>
public sealed class FunctionsProcessTests : IAsyncLifetime
{
    private const string Token = "s3cret";
    private const string Bucket = "fluid-demo";
    private readonly ApiWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Upload_ByEvent_BecomesADataLoadAndIsSaid()
    {
        await using var store = await Store.StartAsync(new() { Bucket = Bucket }, _world.Deadline);
        await CreateModelAsync(store);
        await UploadAsync(store);
        await using var functions = await StartAsync(_world.Server.WriteKubeconfig(Path.Combine(_world.Folder, "functions")));
        await _world.UntilAsync(async () => (await functions.Client.GetAsync("/readyz", _world.Deadline)).IsSuccessStatusCode);
        Assert.Equal("ok\n", await functions.Client.GetStringAsync("/healthz", _world.Deadline));

        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync(functions, token: null)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync(functions, "wrong")).StatusCode);
        using var accepted = await PostAsync(functions, Token);
        Assert.True(accepted.StatusCode == HttpStatusCode.Accepted, $"{accepted.StatusCode}: {string.Join('\n', functions.Output)}");

        await _world.UntilAsync(async () => (await _world.Api.ListAsync(FluidKinds.DataLoads, "default", null, _world.Deadline)).Items.Count == 1);
        await _world.UntilAsync(async () => (await ModelsAsync(functions))[0]?["status"]?["phase"]?.GetValue<string>() == "Warming");
        var events = await _world.Api.ListAsync(CoreKinds.Events, "default", null, _world.Deadline);
        Assert.Contains(events.Items, e => e is { Reason: "MarkerPresent", InvolvedObject: { Kind: "CachedModel", Name: "bloom" } });

        var metrics = await functions.Client.GetStringAsync("/metrics", _world.Deadline);
        Assert.Contains("prewarm_events_total{source=\"oss\",outcome=\"handled\"} 1", metrics, StringComparison.Ordinal);
        Assert.Contains("prewarm_events_total{source=\"oss\",outcome=\"unauthorized\"} 2", metrics, StringComparison.Ordinal);
        Assert.Contains("prewarm_stage_seconds_count{stage=\"detect\"} 1", metrics, StringComparison.Ordinal);

        var stopping = Stopwatch();
        Assert.Equal(0, await functions.TerminateAsync());
        Assert.InRange(stopping(), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task ApiServer_NotThereYet_UnreadyAliveAndEndsAtOnce()
    {
        var kubeconfig = _world.Server.WriteKubeconfig(Path.Combine(_world.Folder, "away"));
        // A port that nobody listens on: taken and given back.
        using (var taken = new TcpListener(IPAddress.Loopback, 0))
        {
            taken.Start();
            var port = ((IPEndPoint)taken.LocalEndpoint).Port;
            File.WriteAllText(kubeconfig, File.ReadAllText(kubeconfig).Replace($":{_world.Server.Address.Port}", $":{port}", StringComparison.Ordinal));
        }

        await using var functions = await StartAsync(kubeconfig);
        await _world.UntilAsync(async () => (await ReadyAsync(functions)).Body.Contains("refused", StringComparison.Ordinal));
        var (status, body) = await ReadyAsync(functions);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("\"ready\":false", body, StringComparison.Ordinal);
        Assert.Equal("ok\n", await functions.Client.GetStringAsync("/healthz", _world.Deadline));
        foreach (var route in (string[])["/v1/models", "/api/models", "/api/models/default/bloom"])
        {
            using var unread = await functions.Client.GetAsync(route, _world.Deadline);
            Assert.Equal((route, HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(5)), (route, unread.StatusCode, unread.Headers.RetryAfter?.Delta));
        }

        // An event that waits for the catalog does not hold up the end.
        var waiting = PostAsync(functions, Token);
        var stopping = Stopwatch();
        Assert.Equal(0, await functions.TerminateAsync());
        Assert.InRange(stopping(), TimeSpan.Zero, TimeSpan.FromSeconds(10));
        try
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await waiting).StatusCode);
        }
        catch (HttpRequestException)
        {
            // The signal came first.
        }
    }

    [Fact]
    public async Task ApiServer_GoesAway_AnswersFromMemoryAndEventsAreToComeAgain()
    {
        await using var store = await Store.StartAsync(new() { Bucket = Bucket }, _world.Deadline);
        var leaving = new ApiWorld();
        await leaving.StartAsync();
        await CreateModelAsync(store, leaving.Api);
        await using var functions = await StartAsync(leaving.Server.WriteKubeconfig(Path.Combine(_world.Folder, "leaves")));
        await _world.UntilAsync(async () => (await ReadyAsync(functions)).Status == HttpStatusCode.OK);
        Assert.Single(await ModelsAsync(functions));
        await leaving.DisposeAsync();

        await _world.UntilAsync(async () => (await ReadyAsync(functions)).Body.Contains("\"name\":\"apiServer\",\"ok\":false", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await ReadyAsync(functions)).Status);
        Assert.Single(await ModelsAsync(functions));
        using var later = await PostAsync(functions, Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, later.StatusCode);
        Assert.NotNull(later.Headers.RetryAfter);
        Assert.Equal(0, await functions.TerminateAsync());
    }

    [Fact]
    public async Task Rbac_EverythingForbidden_UnreadyThenReadyOnceAllowed()
    {
        await using var functions = await StartAsync(_world.Server.WriteKubeconfig(Path.Combine(_world.Folder, "nobody"), await TokenAsync("nobody")));
        await _world.UntilAsync(async () => (await ReadyAsync(functions)).Body.Contains("forbidden", StringComparison.OrdinalIgnoreCase));
        Assert.False(functions.HasExited);

        await AllowAsync("nobody", "cachedmodels", "prewarm.dev");
        await _world.UntilAsync(async () => (await ReadyAsync(functions)).Status == HttpStatusCode.OK);

        // May list the models, but not what belongs to them: said in the status once that is allowed, and never the end.
        await using var store = await Store.StartAsync(new() { Bucket = Bucket }, _world.Deadline);
        await CreateModelAsync(store);
        await _world.UntilAsync(() => functions.Output.Any(l => l.Contains("the API server refused", StringComparison.Ordinal)));
        await AllowAsync("nobody", "cachedmodels/status", "prewarm.dev");
        using var again = await PostAsync(functions, Token);
        Assert.Equal(HttpStatusCode.Accepted, again.StatusCode);
        await _world.UntilAsync(async () =>
            (await _world.Api.GetAsync(CatalogKinds.CachedModels, "default", "bloom", _world.Deadline))?.Status?.Conditions?.Find(c => c.Type == "Ready") is { Reason: "Forbidden" });
        Assert.Equal(0, await functions.TerminateAsync());
    }

    /// <summary>What the documentation calls a function may be several, a route each.</summary>
    [Fact]
    public async Task Functions_ByTheDocumentedNames_ServeAllTheirRoutes()
    {
        await using var functions = await FunctionsProcess.StartAsync(("KUBECONFIG", _world.Server.WriteKubeconfig(Path.Combine(_world.Folder, "few"))), ("FUNCTIONS", "predict,Models,Health"));
        await _world.UntilAsync(async () => (await ReadyAsync(functions)).Status == HttpStatusCode.OK);
        Assert.Contains(functions.Output, l => l.Contains("Serving functions: Predict, PredictV2, PredictOpenAI, PredictModel, Models, ModelsOne, Health, HealthReady\"", StringComparison.Ordinal));
        Assert.Equal("application/json", (await functions.Client.GetAsync("/api/models/default/nobody", _world.Deadline)).Content.Headers.ContentType?.MediaType);
        Assert.Equal(HttpStatusCode.OK, (await functions.Client.GetAsync("/openai/v1/models", _world.Deadline)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await functions.Client.GetAsync("/metrics", _world.Deadline)).StatusCode);
    }

    private static Func<TimeSpan> Stopwatch()
    {
        var began = TimeProvider.System.GetTimestamp();
        return () => TimeProvider.System.GetElapsedTime(began);
    }

    private static Task<FunctionsProcess> StartAsync(string kubeconfig) => FunctionsProcess.StartAsync(
        ("KUBECONFIG", kubeconfig), ("PREWARM_NAMESPACES", "default"), ("Events__Token", Token), ("Gateway__Address", "http://127.0.0.1:9"));

    private async Task<(HttpStatusCode Status, string Body)> ReadyAsync(FunctionsProcess functions)
    {
        using var response = await functions.Client.GetAsync("/readyz", _world.Deadline);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(_world.Deadline));
    }

    private async Task<JsonArray> ModelsAsync(FunctionsProcess functions) =>
        JsonNode.Parse(await functions.Client.GetStringAsync("/api/models", _world.Deadline))!["items"]!.AsArray();

    private async Task<HttpResponseMessage> PostAsync(FunctionsProcess functions, string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/events/oss");
        if (token is not null)
        {
            request.Headers.Add("x-eventbridge-signature-token", token);
        }

        request.Content = new StringContent($$$"""
            {"specversion":"1.0","id":"1","source":"acs.oss","type":"oss:ObjectCreated:PutObject","data":{"eventName":"ObjectCreated:PutObject",
             "oss":{"bucket":{"name":"{{{Bucket}}}"},"object":{"key":"models/bloom/v1/_SUCCESS","size":1,"eTag":"A"} } } }
            """, Encoding.UTF8, "application/json");
        return await functions.Client.SendAsync(request, _world.Deadline);
    }

    private async Task CreateModelAsync(Store store, KubeApi? api = null)
    {
        api ??= _world.Api;
        await api.CreateAsync(CoreKinds.Secrets, "default", new()
        {
            ApiVersion = "v1",
            Kind = "Secret",
            Metadata = new() { Name = "access-key" },
            Data = new() { [SourceSecret.IdKey] = Base64(store.AccessKeyId), [SourceSecret.SecretKey] = Base64(store.AccessKeySecret) },
        }, _world.Deadline);
        await api.CreateAsync(CatalogKinds.CachedModels, "default", new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = "bloom" },
            Spec = new() { Source = new() { Uri = $"oss://{Bucket}/models/bloom", Endpoint = store.Endpoint.ToString(), CredentialsSecret = "access-key" } },
        }, _world.Deadline);
    }

    private async Task UploadAsync(Store store)
    {
        using var s3 = new AmazonS3Client(new BasicAWSCredentials(store.AccessKeyId, store.AccessKeySecret), new AmazonS3Config
        {
            ServiceURL = store.Endpoint.ToString(),
            AuthenticationRegion = "cn-hangzhou",
            ForcePathStyle = true,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        });
        foreach (var file in (string[])["config.json", "_SUCCESS"])
        {
            await s3.PutObjectAsync(new() { BucketName = Bucket, Key = "models/bloom/v1/" + file, ContentBody = "{}" }, _world.Deadline);
        }
    }

    private async Task<string> TokenAsync(string account)
    {
        using var admin = _world.Server.CreateClient();
        await SendAsync(admin, "/api/v1/namespaces/default/serviceaccounts", $$$"""{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"{{{account}}}"}}""");
        var answer = await SendAsync(admin, $"/api/v1/namespaces/default/serviceaccounts/{account}/token",
            """{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}}""");
        return (string)answer["status"]!["token"]!;
    }

    private async Task AllowAsync(string account, string resource, string group)
    {
        using var admin = _world.Server.CreateClient();
        var name = $"{account}-{resource.Replace('/', '-')}";
        await SendAsync(admin, "/apis/rbac.authorization.k8s.io/v1/clusterroles", $$$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"{{{name}}}"},
             "rules":[{"apiGroups":["{{{group}}}"],"resources":["{{{resource}}}"],"verbs":["*"]}]}
            """);
        await SendAsync(admin, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", $$$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"{{{name}}}"},
             "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{{{name}}}"},
             "subjects":[{"kind":"ServiceAccount","name":"{{{account}}}","namespace":"default"}]}
            """);
    }

    private async Task<JsonNode> SendAsync(HttpClient client, string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(path, content, _world.Deadline);
        var text = await response.Content.ReadAsStringAsync(_world.Deadline);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
