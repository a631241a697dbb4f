using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.ApiServer.Cel;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.Manifests;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>x-kubernetes-validations on the sandbox's API server: refused with their CRD when they are wrong, asked at every write, worded as kube-apiserver words them.</summary>
public sealed class CelRulesTests : IAsyncLifetime
{
    private static readonly ResourceType<JsonObject> Things = new("try.dev", "v1", "things", "Thing", Kinds.Datasets.Json);
    private readonly ApiWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Crd_WithRulesThatCannotBe_IsRefusedWithEachReasonAndNotServed()
    {
        var e = await RefusedAsync(() => CrdAsync("""
            {"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"integer"}},"x-kubernetes-validations":[
              {"rule":"self.b > 1"},{"rule":"self.a"},{"rule":"isQuantity('1')","message":"m"},{"message":"no rule"},{"rule":"true","fieldPath":".c"},{"rule":"true","reason":"Because"},{"rule":"true","optionalOldSelf":true}]}}}
            """));
        const string at = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations";
        Assert.StartsWith("CustomResourceDefinition.apiextensions.k8s.io \"things.try.dev\" is invalid: [", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{at}[0].rule: Invalid value: {{\"rule\":\"self.b \\u003E 1\"}}: compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b > 1\n | ....^", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{at}[1].rule: Invalid value: {{\"rule\":\"self.a\"}}: cel expression must evaluate to a bool", e.Message, StringComparison.Ordinal);
        Assert.Contains("undeclared reference to 'isQuantity' (in container '')", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{at}[3].rule: Required value: rule is not specified", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{at}[4].fieldPath: Invalid value: \".c\": fieldPath must be a valid path: does not refer to a valid field", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{at}[5].reason: Unsupported value: \"Because\": supported values: ", e.Message, StringComparison.Ordinal);
        Assert.Contains($"{at}[6].optionalOldSelf: Forbidden: not supported by this API server", e.Message, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await Assert.ThrowsAsync<KubeApiException>(() => _world.Api.ListAsync(Things, "default", null, _world.Deadline))).StatusCode);
    }

    [Fact]
    public async Task Crd_WhoseDefaultBreaksItsRule_IsRefused()
    {
        var e = await RefusedAsync(() => CrdAsync("""
            {"type":"object","properties":{"spec":{"type":"object","default":{},"properties":{"a":{"type":"integer","default":1}},"x-kubernetes-validations":[{"rule":"self.a > 0"}]}}}
            """));
        Assert.Contains("spec.validation.openAPIV3Schema.properties[spec].default: Invalid value: \"object\": no such key: a evaluating rule: self.a > 0", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Crd_OldSelfInAListWithoutKeys_IsRefused()
    {
        var e = await RefusedAsync(() => CrdAsync("""{"type":"object","properties":{"l":{"type":"array","items":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf"}]}}}}"""));
        Assert.Contains("oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[l]", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"a":3,"b":2}""", "FieldValueInvalid", "spec.a", "Invalid value: \"object\": a above b")]
    [InlineData("""{"a":1,"b":2,"s":"x"}""", "FieldValueInvalid", "spec.s", "Invalid value: \"string\": failed rule: self.startsWith('y')")]
    [InlineData("""{"a":1,"b":2,"l":[{"k":"x","v":1},{"k":"y","v":-5}]}""", "FieldValueInvalid", "spec.l[1]", "Invalid value: \"object\": -5 is below 0")]
    [InlineData("""{"a":1,"b":2,"m":{"k":"long"}}""", "FieldValueForbidden", "spec.m[k]", "Forbidden: too long")]
    [InlineData("""{"a":1}""", "FieldValueInvalid", "spec", "Invalid value: \"object\": no such key: b evaluating rule: a above b")]
    [InlineData("""{"a":"x","b":0}""", "FieldValueInvalid", "<nil>", "Invalid value: \"null\": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation")]
    public async Task Object_ThatBreaksARule_IsRefusedAtItsField(string spec, string reason, string field, string message)
    {
        await RulesAsync();
        using var http = _world.Http();
        using var content = new StringContent($$"""{"apiVersion":"try.dev/v1","kind":"Thing","metadata":{"name":"t"},"spec":{{spec}}}""", System.Text.Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri("apis/try.dev/v1/namespaces/default/things", UriKind.Relative), content, _world.Deadline);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        var status = JsonNode.Parse(await answer.Content.ReadAsStringAsync(_world.Deadline))!;
        var cause = status["details"]!["causes"]!.AsArray().Single(c => (string?)c!["field"] == field)!;
        Assert.Equal((reason, message), ((string?)cause["reason"], (string?)cause["message"]));
        Assert.StartsWith("Thing.try.dev \"t\" is invalid: ", (string?)status["message"], StringComparison.Ordinal);
        Assert.Contains($"{field}: {message}", (string?)status["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Transition_OfAFieldOrAListElement_IsHeldAgainstWhatWasStored()
    {
        await RulesAsync();
        await _world.Api.CreateAsync(Things, "default", Thing("""{"a":1,"b":2,"fixed":"x","l":[{"k":"x","v":5},{"k":"y","v":1}]}"""), _world.Deadline);
        // By key, not by place: an element may move, go and come.
        await _world.Api.MergePatchAsync(Things, "default", "t", """{"spec":{"l":[{"k":"z","v":0},{"k":"x","v":6}]}}""", null, _world.Deadline);
        var lower = await RefusedAsync(() => _world.Api.MergePatchAsync(Things, "default", "t", """{"spec":{"l":[{"k":"x","v":5}]}}""", null, _world.Deadline));
        Assert.Equal("Thing.try.dev \"t\" is invalid: spec.l[0].v: Invalid value: \"integer\": only upwards", lower.Message);
        var moved = await RefusedAsync(() => _world.Api.ApplyAsync(Things, "default", "t", Thing("""{"fixed":"y"}"""), "me", true, null, _world.Deadline));
        Assert.Equal("Thing.try.dev \"t\" is invalid: spec.fixed: Invalid value: \"string\": immutable", moved.Message);
        await _world.Api.MergePatchAsync(Things, "default", "t", """{"spec":{"fixed":null}}""", null, _world.Deadline);
        await _world.Api.MergePatchAsync(Things, "default", "t", """{"spec":{"fixed":"z"}}""", null, _world.Deadline);
    }

    [Theory]
    [InlineData("""{"spec":{"cache":{"copies":3}}}""", "spec.cache.copies: Invalid value: \"object\": no more copies than workers can exist: lower copies or raise replicas")]
    [InlineData("""{"spec":{"cache":{"tier":{"low":"0.99"}}}}""", "spec.cache.tier.low: Invalid value: \"object\": eviction begins at high and ends at low: write a lower one")]
    [InlineData("""{"spec":{"source":{"endpoint":"host/bucket"}}}""", "spec.source.endpoint: Invalid value: \"object\": write a host, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store")]
    [InlineData("""{"spec":{"source":{"uri":"oss://b/other"}}}""", null)]
    [InlineData("""{"spec":{"serving":{"name":"other"}}}""", null)]
    [InlineData("""{"spec":{"cache":{"copies":3,"replicas":3}}}""", null)]
    public async Task CachedModel_ItsOwnRules_HoldFromTheFirstWriteOn(string patch, string? message)
    {
        await ModelAsync();
        var problem = await Record.ExceptionAsync(() => _world.Api.MergePatchAsync(Kinds.CachedModels, "default", "bloom", patch, null, _world.Deadline));
        Assert.Equal(message is null ? null : $"CachedModel.prewarm.dev \"bloom\" is invalid: {message}", problem?.Message);
    }

    [Theory]
    [InlineData("""{"spec":{"source":{"uri":"oss://b/other"}}}""", "spec.source.uri: Invalid value: \"object\": a version is served from here: make another CachedModel for another prefix")]
    [InlineData("""{"spec":{"serving":{"name":"other"}}}""", "spec.serving.name: Invalid value: \"object\": an InferenceService of that name serves: make another CachedModel for another name")]
    [InlineData("""{"spec":{"cache":{"replicas":3}}}""", null)]
    [InlineData("""{"spec":{"serving":{"modelName":"other"}}}""", null)]
    public async Task CachedModel_ThatServes_StaysWhereItIs(string patch, string? message)
    {
        await ModelAsync();
        await _world.Api.MergePatchAsync(Kinds.CachedModels, "default", "bloom", """{"status":{"phase":"Serving","version":"v1"}}""", "status", _world.Deadline);
        var problem = await Record.ExceptionAsync(() => _world.Api.MergePatchAsync(Kinds.CachedModels, "default", "bloom", patch, null, _world.Deadline));
        Assert.Equal(message is null ? null : $"CachedModel.prewarm.dev \"bloom\" is invalid: {message}", problem?.Message);
        await _world.Api.MergePatchAsync(Kinds.CachedModels, "default", "bloom", """{"status":{"phase":"Blocked"}}""", "status", _world.Deadline);
    }

    [Fact]
    public void OwnCrd_EveryRule_HasAMessageAndAFieldAndUsesOnlyTheSubset()
    {
        var crd = ManifestFolder.Objects("knative/base/cachedmodel-crd.yaml").Single();
        Assert.Equal([], CelRules.Problems(crd));
        var rules = Rules(crd).ToList();
        Assert.True(rules.Count >= 5, $"{rules.Count} rules");
        Assert.All(rules, r => Assert.True(r.Text("message") is { Length: > 0 } && r.Text("fieldPath") is { Length: > 0 }, r.ToJsonString()));
    }

    private static IEnumerable<JsonObject> Rules(JsonNode? node) => node switch
    {
        JsonObject obj => obj.SelectMany(p => p.Key == "x-kubernetes-validations" ? p.Value.Objects() : Rules(p.Value)),
        JsonArray list => list.SelectMany(Rules),
        _ => [],
    };

    private static async Task<KubeApiException> RefusedAsync(Func<Task> write)
    {
        var e = await Assert.ThrowsAsync<KubeApiException>(write);
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "Invalid"), (e.StatusCode, e.Reason));
        return e;
    }

    private Task ModelAsync() => _world.Api.CreateAsync(Kinds.CachedModels, "default", JsonNode.Parse("""
        {"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"bloom"},"spec":{"source":{"uri":"oss://b/m","endpoint":"e"}}}
        """)!.AsObject(), _world.Deadline);

    private static JsonObject Thing(string spec) => JsonNode.Parse($$"""{"apiVersion":"try.dev/v1","kind":"Thing","metadata":{"name":"t"},"spec":{{spec}}}""")!.AsObject();

    private Task RulesAsync() => CrdAsync("""
        {"type":"object","properties":{"spec":{"type":"object","properties":{
            "a":{"type":"integer"},"b":{"type":"integer"},
            "s":{"type":"string","x-kubernetes-validations":[{"rule":"self.startsWith('y')"}]},
            "fixed":{"type":"string","x-kubernetes-validations":[{"rule":"self == oldSelf","message":"immutable"}]},
            "l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","required":["k"],
                 "properties":{"k":{"type":"string"},"v":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf","message":"only upwards"}]}},
                 "x-kubernetes-validations":[{"rule":"!has(self.v) || self.v >= 0","messageExpression":"string(self.v) + ' is below 0'"}]}},
            "m":{"type":"object","additionalProperties":{"type":"string","x-kubernetes-validations":[{"rule":"size(self) < 4","message":"too long","reason":"FieldValueForbidden"}]}}},
          "x-kubernetes-validations":[{"rule":"!has(self.a) || self.a <= self.b","message":"a above b","fieldPath":".a"}]}}}
        """);

    private Task CrdAsync(string schema) => _world.Api.CreateAsync(Kinds.Crds, null, JsonNode.Parse($$"""
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.try.dev"},"spec":{"group":"try.dev","scope":"Namespaced",
          "names":{"kind":"Thing","listKind":"ThingList","plural":"things","singular":"thing"},
          "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{{schema}}} }]} }
        """)!.AsObject(), _world.Deadline);
}
