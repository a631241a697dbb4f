using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>The functions' own client against the sandbox's API server, and in <c>.ci/run</c> against a real one.</summary>
public sealed class ClientOnServerTests : IAsyncLifetime
{
    private readonly ApiWorld _world = new();

    private KubeApi Api => _world.Api;

    public ValueTask InitializeAsync() => _world.OnAnyAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Object_CreatedReadReplacedDeleted_IsWhatWasWritten()
    {
        var created = await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("a", "oss://b/m"), _world.Deadline);
        Assert.Equal(1, created.Metadata.Generation);
        Assert.NotNull(created.Metadata.Uid);
        created.Spec!.Mounts![0].MountPoint = "oss://b/other";
        var replaced = await Api.ReplaceAsync(FluidKinds.Datasets, _world.Namespace, "a", created, null, _world.Deadline);
        Assert.Equal(2, replaced.Metadata.Generation);
        Assert.Equal("oss://b/other", (await Api.GetAsync(FluidKinds.Datasets, _world.Namespace, "a", _world.Deadline))!.Spec!.Mounts![0].MountPoint);
        Assert.False(await Api.DeleteAsync(FluidKinds.Datasets, _world.Namespace, "a", "another-uid", false, _world.Deadline));
        Assert.True(await Api.DeleteAsync(FluidKinds.Datasets, _world.Namespace, "a", created.Metadata.Uid, false, _world.Deadline));
        Assert.Null(await Api.GetAsync(FluidKinds.Datasets, _world.Namespace, "a", _world.Deadline));
        Assert.False(await Api.DeleteAsync(FluidKinds.Datasets, _world.Namespace, "a", null, false, _world.Deadline));
    }

    [Fact]
    public async Task Create_Twice_AlreadyExists()
    {
        await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("a", "oss://b/m"), _world.Deadline);
        var e = await Refused(() => Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("a", "oss://b/m"), _world.Deadline));
        Assert.Equal((HttpStatusCode.Conflict, "AlreadyExists"), (e.StatusCode, e.Reason));
        Assert.Equal("datasets.data.fluid.io \"a\" already exists", e.Message);
    }

    [Fact]
    public async Task Replace_StaleOrNoVersion_IsRefused()
    {
        var first = await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("a", "oss://b/m"), _world.Deadline);
        await Api.MergePatchAsync(FluidKinds.Datasets, _world.Namespace, "a", """{"metadata":{"labels":{"x":"y"}}}""", null, _world.Deadline);
        var stale = await Refused(() => Api.ReplaceAsync(FluidKinds.Datasets, _world.Namespace, "a", first, null, _world.Deadline));
        Assert.Equal((HttpStatusCode.Conflict, "Conflict"), (stale.StatusCode, stale.Reason));
        first.Metadata.ResourceVersion = null;
        var without = await Refused(() => Api.ReplaceAsync(FluidKinds.Datasets, _world.Namespace, "a", first, null, _world.Deadline));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, without.StatusCode);
    }

    [Fact]
    public async Task Status_WrittenBesideSpec_NeitherTouchesTheOther()
    {
        await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("a", "oss://b/m"), _world.Deadline);
        var status = await Api.MergePatchAsync(FluidKinds.Datasets, _world.Namespace, "a", """{"spec":{"placement":"Exclusive"},"status":{"phase":"Bound","conditions":[]}}""", "status", _world.Deadline);
        Assert.Equal(("Bound", null, 1L), (status.Status!.Phase, status.Spec!.Placement, status.Metadata.Generation!.Value));
        var spec = await Api.MergePatchAsync(FluidKinds.Datasets, _world.Namespace, "a", """{"spec":{"placement":"Shared"},"status":{"phase":"Failed"}}""", null, _world.Deadline);
        Assert.Equal(("Bound", "Shared", 2L), (spec.Status!.Phase, spec.Spec!.Placement, spec.Metadata.Generation!.Value));
        var labels = await Api.MergePatchAsync(FluidKinds.Datasets, _world.Namespace, "a", """{"metadata":{"labels":{"x":"y"}}}""", null, _world.Deadline);
        Assert.Equal(2, labels.Metadata.Generation);
    }

    [Fact]
    public async Task Apply_TwoManagersOfSpecAndStatus_NoOpsKeepTheVersion()
    {
        var spec = Node("""{"spec":{"placement":"Shared","mounts":[{"mountPoint":"oss://b/m"}]}}""", "a");
        var status = Node("""{"status":{"phase":"Bound","conditions":[]}}""", "a");
        var one = await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", spec, "spec-writer", false, null, _world.Deadline);
        var two = await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", status, "status-writer", false, "status", _world.Deadline);
        Assert.NotEqual(Version(one), Version(two));
        Assert.Equal(Version(two), Version(await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", spec, "spec-writer", false, null, _world.Deadline)));
        Assert.Equal(Version(two), Version(await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", status, "status-writer", false, "status", _world.Deadline)));
        Assert.Equal(["spec-writer", "status-writer"], two.At("metadata", "managedFields").Objects().Select(m => m.Text("manager")));
        if (!_world.Foreign)
        {
            // Told since Kubernetes 1.22.
            Assert.Equal("status", two.At("metadata", "managedFields")![1].Text("subresource"));
        }


        var less = await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", Node("""{"spec":{"mounts":[{"mountPoint":"oss://b/m"}]}}""", "a"), "spec-writer", false, null, _world.Deadline);
        Assert.Null(less.At("spec", "placement"));
        Assert.Equal("Bound", less.Text("status", "phase"));
    }

    [Fact]
    public async Task Apply_FieldOfAnother_ConflictNamesManagerAndField()
    {
        await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", Node("""{"spec":{"placement":"Shared"}}""", "a"), "one", false, null, _world.Deadline);
        var e = await Refused(() => Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", Node("""{"spec":{"placement":"Exclusive"}}""", "a"), "two", false, null, _world.Deadline));
        Assert.True(e.IsConflict);
        // The version is named when the writers used different ones (Kubernetes ≤ 1.21), later always.
        Assert.Matches("^Apply failed with 1 conflict: conflict with \"one\"( using data.fluid.io/v1alpha1)?: .spec.placement$", e.Message);
        await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", Node("""{"spec":{"placement":"Exclusive"}}""", "a"), "two", true, null, _world.Deadline);
        // The value is now two's: one must not win it back by saying what it said before.
        await Refused(() => Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", Node("""{"spec":{"placement":"Shared"}}""", "a"), "one", false, null, _world.Deadline));
    }

    [Fact]
    public async Task Apply_FieldThatAPlainUpdateOfTheSameNameSet_Conflicts()
    {
        await Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", Node("""{"spec":{"placement":"Shared"}}""", "a"), "prewarm", false, null, _world.Deadline);
        await Api.MergePatchAsync(Kinds.Datasets, _world.Namespace, "a", """{"spec":{"placement":"Exclusive"}}""", null, _world.Deadline);
        var e = await Refused(() => Api.ApplyAsync(Kinds.Datasets, _world.Namespace, "a", Node("""{"spec":{"placement":"Shared"}}""", "a"), "prewarm", false, null, _world.Deadline));
        Assert.True(e.IsConflict);
    }

    [Fact]
    public async Task Finalizer_HoldsTheDeletion_NoneMayBeAdded()
    {
        var held = Typed("a", "oss://b/m");
        held.Metadata.Finalizers = ["x.dev/hold"];
        await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, held, _world.Deadline);
        Assert.True(await Api.DeleteAsync(FluidKinds.Datasets, _world.Namespace, "a", null, false, _world.Deadline));
        var lingering = await Api.GetAsync(FluidKinds.Datasets, _world.Namespace, "a", _world.Deadline);
        Assert.NotNull(lingering!.Metadata.DeletionTimestamp);
        var e = await Refused(() => Api.MergePatchAsync(FluidKinds.Datasets, _world.Namespace, "a", """{"metadata":{"finalizers":["x.dev/hold","x.dev/late"]}}""", null, _world.Deadline));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, e.StatusCode);
        await Api.MergePatchAsync(FluidKinds.Datasets, _world.Namespace, "a", """{"metadata":{"finalizers":null}}""", null, _world.Deadline);
        Assert.Null(await Api.GetAsync(FluidKinds.Datasets, _world.Namespace, "a", _world.Deadline));
    }

    [Theory]
    [InlineData("""{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","metadata":{"name":"a","labels":{"prewarm.dev/version":"has space"}},"spec":{}}""", HttpStatusCode.UnprocessableEntity, "metadata.labels")]
    [InlineData("""{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","metadata":{"name":"Upper"},"spec":{}}""", HttpStatusCode.UnprocessableEntity, "metadata.name")]
    [InlineData("""{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","metadata":{"name":"a"},"spec":{"placement":"Sometimes"}}""", HttpStatusCode.UnprocessableEntity, "spec.placement")]
    [InlineData("""{"metadata":{"name":"a"},"spec":{}}""", HttpStatusCode.BadRequest, "Object 'Kind' is missing")]
    [InlineData("""{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","metadata":{"name":"a","namespace":"other"},"spec":{}}""", HttpStatusCode.BadRequest, "namespace")]
    public async Task Create_NotValid_IsRefusedWithTheField(string body, HttpStatusCode code, string named)
    {
        var e = await Refused(() => Api.CreateAsync(Kinds.Datasets, _world.Namespace, JsonNode.Parse(body)!.AsObject(), _world.Deadline));
        Assert.Equal(code, e.StatusCode);
        Assert.Contains(named, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","metadata":{"name":"a"},"spec":{"mounts":[{"mountPoint":"oss"}]}}""", "spec.mounts[0].mountPoint")]
    [InlineData("""{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","metadata":{"name":"a"},"spec":{"mounts":[{"mountPoint":"oss://b/m","options":{"a":1}}]}}""", "spec.mounts[0].options.a")]
    public async Task Dataset_AsTheRealCrdRefuses_IsRefused(string body, string named)
    {
        var e = await Refused(() => Api.CreateAsync(Kinds.Datasets, _world.Namespace, JsonNode.Parse(body)!.AsObject(), _world.Deadline));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, e.StatusCode);
        // The place in a list is told since Kubernetes 1.21.
        Assert.Contains(_world.Foreign ? named.Replace("[0]", "", StringComparison.Ordinal) : named, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"replicas":-1}""", "spec.replicas")]
    [InlineData("""{"replicas":"2"}""", "spec.replicas")]
    [InlineData("""{"tieredstore":{"levels":[{"mediumtype":"TAPE"}]}}""", "mediumtype")]
    [InlineData("""{"tieredstore":{"levels":[{"mediumtype":"SSD","quota":"lots"}]}}""", "quota")]
    [InlineData("""{"tieredstore":{"levels":[{"mediumtype":"SSD","high":0.95}]}}""", "high")]
    [InlineData("""{"tieredstore":{"levels":[{"mediumtype":"SSD","volumeType":"cloud"}]}}""", "volumeType")]
    public async Task Runtime_AsTheRealCrdRefuses_IsRefused(string spec, string named)
    {
        var body = new JsonObject { ["apiVersion"] = "data.fluid.io/v1alpha1", ["kind"] = "JindoRuntime", ["metadata"] = new JsonObject { ["name"] = "a" }, ["spec"] = JsonNode.Parse(spec) };
        var e = await Refused(() => Api.CreateAsync(Kinds.JindoRuntimes, _world.Namespace, body, _world.Deadline));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, e.StatusCode);
        Assert.Contains(named, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_WithoutWhatTheRealCrdRequires_IsRefused()
    {
        await Api.CreateAsync(Kinds.Datasets, _world.Namespace, _world.Dataset("a"), _world.Deadline);
        var e = await Refused(() => Api.MergePatchAsync(Kinds.Datasets, _world.Namespace, "a", """{"status":{"phase":"Bound"}}""", "status", _world.Deadline));
        Assert.Contains("status.conditions: Required value", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_NamespaceMissing_NotFound()
    {
        var e = await Refused(() => Api.CreateAsync(FluidKinds.Datasets, "nowhere", Typed("a", "oss://b/m"), _world.Deadline));
        Assert.True(e.IsNotFound);
        Assert.Contains("nowhere", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_ByLabelAndInPages_IsWhole()
    {
        for (var i = 0; i < 7; i++)
        {
            var dataset = Typed($"d{i}", "oss://b/m");
            dataset.Metadata.Labels = new() { ["odd"] = (i % 2).ToString(), ["tier"] = i < 3 ? "a" : "b" };
            await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, dataset, _world.Deadline);
        }

        async Task<string> Names(string selector) => string.Concat((await Api.ListAsync(FluidKinds.Datasets, _world.Namespace, selector, _world.Deadline)).Items.Select(i => i.Metadata.Name![1..]));
        Assert.Equal("135", await Names("odd=1"));
        Assert.Equal("35", await Names("odd=1,tier!=a"));
        Assert.Equal("012", await Names("tier in (a,c)"));
        Assert.Equal("3456", await Names("tier notin (a)"));
        Assert.Equal("", await Names("!odd"));

        using var http = _world.Http();
        var seen = new List<string>();
        string? next = null;
        do
        {
            var page = JsonNode.Parse(await http.GetStringAsync($"/apis/data.fluid.io/v1alpha1/namespaces/{_world.Namespace}/datasets?limit=3{(next is null ? "" : "&continue=" + next)}", _world.Deadline))!;
            seen.AddRange(page["items"]!.AsArray().Select(i => i!.AsObject().Name()));
            next = page.Text("metadata", "continue");
        }
        while (!string.IsNullOrEmpty(next));
        Assert.Equal(Enumerable.Range(0, 7).Select(i => $"d{i}"), seen);
    }

    /// <summary>What kubectl patch and edit send beside a merge patch.</summary>
    [Fact]
    public async Task Patch_JsonAndStrategic_AsTheirMediaTypesSay()
    {
        const string json = "application/json-patch+json", strategic = "application/strategic-merge-patch+json";
        await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("a", "oss://b/m"), _world.Deadline);
        var dataset = $"/apis/data.fluid.io/v1alpha1/namespaces/{_world.Namespace}/datasets/a";
        var (code, patched) = await PatchAsync(dataset, json, """
            [{"op":"test","path":"/spec/mounts/0/name","value":"m"},{"op":"add","path":"/metadata/labels","value":{"x":"y"}},{"op":"replace","path":"/spec/mounts/0/mountPoint","value":"oss://b/other"},
             {"op":"add","path":"/spec/mounts/-","value":{"mountPoint":"oss://b/second","name":"n"}},{"op":"remove","path":"/spec/mounts/0/name"}]
            """);
        Assert.Equal(HttpStatusCode.OK, code);
        Assert.Equal("y", patched.Text("metadata", "labels", "x"));
        Assert.Equal(["oss://b/other", "oss://b/second"], patched.At("spec", "mounts").Objects().Select(m => m.Text("mountPoint")));

        // One step that cannot be taken, and none is.
        (code, var refused) = await PatchAsync(dataset, json, """[{"op":"remove","path":"/metadata/labels/x"},{"op":"test","path":"/spec/mounts/0/mountPoint","value":"oss://b/m"}]""");
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "Invalid"), (code, refused.Text("reason")));
        Assert.Equal("y", (await Api.GetAsync(FluidKinds.Datasets, _world.Namespace, "a", _world.Deadline))!.Metadata.Labels!["x"]);

        // A custom resource has no schema for it.
        (code, refused) = await PatchAsync(dataset, strategic, """{"metadata":{"labels":{"x":"z"}}}""");
        Assert.Equal((HttpStatusCode.UnsupportedMediaType, "UnsupportedMediaType"), (code, refused.Text("reason")));

        // A list with a merge key: what is named is changed, what is not stays.
        using var http = _world.Http();
        using var account = new StringContent("""{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"a"},"secrets":[{"name":"one"},{"name":"two"}]}""", System.Text.Encoding.UTF8, "application/json");
        (await http.PostAsync(new Uri($"/api/v1/namespaces/{_world.Namespace}/serviceaccounts", UriKind.Relative), account, _world.Deadline)).EnsureSuccessStatusCode();
        (code, patched) = await PatchAsync($"/api/v1/namespaces/{_world.Namespace}/serviceaccounts/a", strategic, """{"secrets":[{"name":"three"},{"$patch":"delete","name":"one"}]}""");
        Assert.Equal(HttpStatusCode.OK, code);
        Assert.Equal(["three", "two"], patched.At("secrets").Objects().Select(m => m.Text("name")).Order(StringComparer.Ordinal));
    }

    private async Task<(HttpStatusCode Code, JsonNode Answer)> PatchAsync(string path, string mediaType, string patch)
    {
        using var http = _world.Http();
        using var body = new StringContent(patch);
        body.Headers.ContentType = new(mediaType);
        using var answer = await http.PatchAsync(new Uri(path, UriKind.Relative), body, _world.Deadline);
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync(_world.Deadline))!);
    }

    [Fact]
    public async Task Continue_AfterCompaction_Gone()
    {
        _world.OnlyOnTheSandbox("a real server compacts every 5 minutes");
        await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("a", "oss://b/m"), _world.Deadline);
        await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("b", "oss://b/m"), _world.Deadline);
        using var http = _world.Server.CreateClient();
        var next = JsonNode.Parse(await http.GetStringAsync("/apis/data.fluid.io/v1alpha1/datasets?limit=1", _world.Deadline)).Text("metadata", "continue");
        await Api.CreateAsync(FluidKinds.Datasets, _world.Namespace, Typed("c", "oss://b/m"), _world.Deadline);
        _world.Server.Store.Compact();
        using var answer = await http.GetAsync($"/apis/data.fluid.io/v1alpha1/datasets?limit=1&continue={next}", _world.Deadline);
        Assert.Equal(HttpStatusCode.Gone, answer.StatusCode);
    }

    private static Dataset Typed(string name, string mountPoint) =>
        new() { ApiVersion = "data.fluid.io/v1alpha1", Kind = "Dataset", Metadata = new() { Name = name }, Spec = new() { Mounts = [new() { MountPoint = mountPoint, Name = "m" }] } };

    private static JsonObject Node(string json, string name)
    {
        var obj = JsonNode.Parse(json)!.AsObject();
        obj["apiVersion"] = "data.fluid.io/v1alpha1";
        obj["kind"] = "Dataset";
        obj["metadata"] = new JsonObject { ["name"] = name };
        return obj;
    }

    private static string? Version(JsonObject obj) => obj.Text("metadata", "resourceVersion");

    private static Task<KubeApiException> Refused(Func<Task> call) => Assert.ThrowsAsync<KubeApiException>(call);
}
