using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Amazon.S3.Model;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>A user with a namespace, a bucket and the Secret of the tutorial; speaks HTTPS to the API server, S3 to the store and HTTP to the relay.</summary>
internal sealed class UserWorld(SandboxUp sandbox, string ns, string bucket)
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);
    private const string Models = "apis/prewarm.dev/v1alpha1";

    /// <summary>Kinds that a model leaves in its namespace while it lives, as paths.</summary>
    public static readonly (string Group, string Plural)[] Made =
    [
        ("apis/serving.kserve.io/v1beta1", "inferenceservices"), ("apis/data.fluid.io/v1alpha1", "dataloads"), ("apis/data.fluid.io/v1alpha1", "datasets"),
        ("apis/data.fluid.io/v1alpha1", "jindoruntimes"), ("apis/serving.knative.dev/v1", "services"), ("apis/serving.knative.dev/v1", "revisions"),
        ("apis/autoscaling.internal.knative.dev/v1alpha1", "podautoscalers"), ("api/v1", "pods"), ("api/v1", "persistentvolumeclaims"),
    ];

    public SandboxUp Sandbox => sandbox;
    public string Namespace => ns;
    public string Bucket => bucket;

    public async Task PrepareAsync()
    {
        await sandbox.Store.PutBucketAsync(bucket);
        if (!sandbox.Deployed)
        {
            await CreateAsync("api/v1/namespaces", new() { ["apiVersion"] = "v1", ["kind"] = "Namespace", ["metadata"] = new JsonObject { ["name"] = ns } });
        }

        await SecretAsync("access-key");
    }

    public Task SecretAsync(string name) => CreateAsync($"api/v1/namespaces/{ns}/secrets", new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Secret",
        ["metadata"] = new JsonObject { ["name"] = name },
        ["stringData"] = new JsonObject { ["fs.oss.accessKeyId"] = sandbox.AccessKeyId, ["fs.oss.accessKeySecret"] = sandbox.AccessKeySecret },
    });

    /// <summary>A CachedModel of <c>oss://bucket/prefix</c>; <paramref name="change"/> makes it what the test needs.</summary>
    public async Task<JsonObject> ModelAsync(string name, string prefix, Action<JsonObject>? change = null)
    {
        var model = JsonNode.Parse($$$"""
            {"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"{{{name}}}"},"spec":{
              "source":{"uri":"oss://{{{bucket}}}/{{{prefix}}}","endpoint":"oss-cn-shanghai-internal.aliyuncs.com","credentialsSecret":"access-key","complete":{"quietSeconds":3}},
              "serving":{"predictor":{"containers":[{"name":"kserve-container","image":"example.com/kserve-fluid:ngram"}]} } } }
            """)!.AsObject();
        change?.Invoke(model);
        return await CreateAsync($"{Models}/namespaces/{ns}/cachedmodels", model);
    }

    public async Task<JsonObject> CreateAsync(string path, JsonObject obj)
    {
        using var content = new StringContent(obj.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await sandbox.Api.PostAsync(new Uri(path, UriKind.Relative), content);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"POST {path}: {text}");
        return JsonNode.Parse(text)!.AsObject();
    }

    public async Task PatchAsync(string path, string merge)
    {
        using var content = new StringContent(merge, Encoding.UTF8, "application/merge-patch+json");
        using var answer = await sandbox.Api.PatchAsync(new Uri(path, UriKind.Relative), content);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    public async Task<JsonObject?> GetAsync(string path)
    {
        using var answer = await sandbox.Api.GetAsync(new Uri(path, UriKind.Relative));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.NotFound, $"GET {path}: {text}");
        return answer.StatusCode == HttpStatusCode.OK ? JsonNode.Parse(text)!.AsObject() : null;
    }

    public string ModelPath(string name) => $"{Models}/namespaces/{ns}/cachedmodels/{name}";

    public Task<JsonObject?> ModelAsync(string name) => GetAsync(ModelPath(name));

    public async Task<List<JsonObject>> ListAsync(string group, string plural) =>
        [.. (await GetAsync($"{group}/namespaces/{ns}/{plural}")).At("items").Objects()];

    public Task<JsonObject?> ServiceAsync(string name) => GetAsync($"apis/serving.kserve.io/v1beta1/namespaces/{ns}/inferenceservices/{name}");

    public Task<JsonObject?> FluidAsync(string plural, string name) => GetAsync($"apis/data.fluid.io/v1alpha1/namespaces/{ns}/{plural}/{name}");

    public async Task DeleteModelAsync(string name)
    {
        using var answer = await sandbox.Api.DeleteAsync(new Uri(ModelPath(name), UriKind.Relative));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    public Task PutAsync(string key, string text) => sandbox.Store.PutObjectAsync(new() { BucketName = bucket, Key = key, ContentBody = text, UseChunkEncoding = false });

    /// <summary>Uploads a folder, file by file in the order given.</summary>
    public async Task UploadAsync(string folder, string prefix, Func<FileInfo, int>? order = null)
    {
        foreach (var file in new DirectoryInfo(folder).GetFiles().OrderBy(f => order?.Invoke(f) ?? 0).ThenBy(f => f.Name, StringComparer.Ordinal))
        {
            await sandbox.Store.PutObjectAsync(new PutObjectRequest { BucketName = bucket, Key = $"{prefix}/{file.Name}", FilePath = file.FullName, UseChunkEncoding = false });
        }
    }

    /// <summary>Waits until the model is as wanted; fails with all that its conditions say.</summary>
    public async Task<JsonObject> UntilAsync(string name, Func<JsonObject, bool> wanted, string otherwise, TimeSpan? limit = null)
    {
        JsonObject? model = null;
        await UntilAsync(async () => (model = await ModelAsync(name)) is not null && wanted(model), () => $"{otherwise}: {Describe(model)}", limit);
        return model!;
    }

    public async Task<JsonObject> ServesAsync(string name, string version)
    {
        var model = await UntilAsync(name, m => m.Text("status", "version") == version && m.Condition("Ready", "status") == "True", $"{version} of {name} does not serve");
        // Whoever is told by the API server may be quicker than the relay, which is told by a watch of its own.
        var path = new Uri($"/models/{ns}/{name}/v1/models/{model.Text("spec", "serving", "modelName") ?? name}", UriKind.Relative);
        await UntilAsync(async () =>
        {
            using var answer = await sandbox.Relay.GetAsync(path);
            return answer.StatusCode != HttpStatusCode.ServiceUnavailable;
        }, () => $"the relay does not see that {name} serves", TimeSpan.FromSeconds(5));
        return model;
    }

    public Task GoneAsync(string name) => UntilAsync(async () => await ModelAsync(name) is null, async () => $"{name} is not gone: {Describe(await ModelAsync(name))}");

    public async Task<List<string>> LeftAsync()
    {
        var left = new List<string>();
        foreach (var (group, plural) in Made)
        {
            left.AddRange((await ListAsync(group, plural)).Select(o => $"{plural}/{o.Name()}"));
        }

        left.AddRange((await GetAsync("api/v1/persistentvolumes")).At("items").Objects().Where(v => v.Name().StartsWith(ns + "-", StringComparison.Ordinal)).Select(v => $"persistentvolumes/{v.Name()}"));
        left.AddRange((await GetAsync("api/v1/nodes")).At("items").Objects()
            .SelectMany(n => (n.At("metadata", "labels") as JsonObject ?? []).Where(l => l.Key.StartsWith("fluid.io/", StringComparison.Ordinal) && l.Key.Contains(ns, StringComparison.Ordinal)).Select(l => $"label {l.Key} on {n.Name()}")));
        return left;
    }

    public Task NothingLeftAsync() => UntilAsync(async () => (await LeftAsync()).Count == 0, async () => $"left: {string.Join(", ", await LeftAsync())}");

    /// <returns>The status code and the generated text, or the body as it came.</returns>
    public async Task<(int Status, string Text)> AskAsync(string path, string prompt, int length = 20)
    {
        using var content = new StringContent(new JsonObject { ["prompt"] = prompt, ["result_length"] = length }.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await sandbox.Relay.PostAsync(new Uri(path, UriKind.Relative), content);
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, answer.IsSuccessStatusCode ? JsonNode.Parse(text).Text("result") ?? text : text);
    }

    public static Task UntilAsync(Func<Task<bool>> done, Func<string> otherwise, TimeSpan? limit = null) => UntilAsync(done, () => Task.FromResult(otherwise()), limit);

    public static async Task UntilAsync(Func<Task<bool>> done, Func<Task<string>> otherwise, TimeSpan? limit = null)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!await done())
        {
            if (TimeProvider.System.GetElapsedTime(began) > (limit ?? Limit))
            {
                Assert.Fail($"{await otherwise()} (after {(limit ?? Limit).TotalSeconds} s)");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(150), TimeProvider.System);
        }
    }

    public static string Describe(JsonObject? model) => model is null ? "there is no such model"
        : $"phase {model.Text("status", "phase")}; {string.Join("; ", model.At("status", "conditions").Objects().Select(c => $"{c.Text("type")} {c.Text("status")} {c.Text("reason")}: {c.Text("message")}"))}; "
            + string.Join("; ", model.At("status", "versions").Objects().Select(v => v.ToJsonString()));
}

internal static class ModelReading
{
    /// <summary>A field of a condition of a model; null when it has none of that type.</summary>
    public static string? Condition(this JsonObject? model, string type, string field) =>
        model.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == type).Text(field);

    public static JsonObject? Version(this JsonObject? model, string name) =>
        model.At("status", "versions").Objects().LastOrDefault(v => v.Text("name") == name);
}
