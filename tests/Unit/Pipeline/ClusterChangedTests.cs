using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Tests.Unit.Events;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

public sealed class ClusterChangedTests
{
    private const string Model = """
        {"kind":"CachedModel","metadata":{"name":"bloom","namespace":"demo","resourceVersion":"1","labels":{} },"spec":{"source":{"uri":"oss://b/m"} },
        "status":{"phase":"Serving","activation":{"id":"a","phase":"Waking"} } }
        """;

    private static readonly ModelKey s_bloom = new("demo", "bloom");
    private readonly LineFake _line = new();
    private readonly ClusterChangedFunction _function;

    public ClusterChangedTests() => _function = new(new(new(null), _line, new CatalogFake(),
        new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), TimeProvider.System, NullLogger<EventDesk>.Instance));

    [Fact]
    public async Task Wake_WritesNothingThatALookIsMadeFor()
    {
        await PostAsync(Model);
        Assert.Single(_line.Looks);
        var woken = Change(m =>
        {
            m["metadata"]!["resourceVersion"] = "2";
            m["metadata"]!["managedFields"] = new JsonArray(new JsonObject { ["manager"] = "prewarm-activation" });
            m["status"]!["activation"]!["phase"] = "Ready";
        });
        await PostAsync(woken);
        await PostAsync(Change(m => m["status"]!.AsObject().Remove("activation")));
        await PostAsync(Change(m => m["status"]!["prewarm"] = new JsonObject { ["pods"] = 1 }));
        Assert.Single(_line.Looks);
        await PostAsync(Change(m => m["spec"]!["cache"] = new JsonObject { ["replicas"] = 3 }));
        await PostAsync(Change(m => m["status"]!["phase"] = "Blocked"));
        await PostAsync(Change(m => m["metadata"]!["labels"]!["x"] = "y"));
        Assert.Equal(4, _line.Looks.Count);
    }

    [Fact]
    public async Task Model_ThatIsMadeAgain_IsLookedAt()
    {
        await PostAsync(Model);
        await PostAsync(Model, "delete");
        await PostAsync(Model);
        Assert.Equal([s_bloom, s_bloom, s_bloom], _line.Looks.Select(l => l.Model));
    }

    [Fact]
    public async Task Look_ThatIsToBeTriedAgain_DoesNotMakeItsEventKnown()
    {
        _line.Answer = _ => Task.FromResult(LineOutcome.Transient);
        Assert.Equal(503, await PostAsync(Model));
        _line.Answer = _ => Task.FromResult(LineOutcome.Settled);
        Assert.Equal(202, await PostAsync(Model));
        Assert.Equal(2, _line.Looks.Count);
    }

    [Fact]
    public async Task Reference_WithoutTheObject_IsLookedAtEachTime()
    {
        const string reference = """{"kind":"CachedModel","apiVersion":"prewarm.dev/v1alpha1","metadata":{"name":"bloom","namespace":"demo"} }""";
        await PostAsync(reference);
        await PostAsync(reference);
        Assert.Equal(2, _line.Looks.Count);
    }

    [Theory]
    [InlineData("name")]
    [InlineData("namespace")]
    public async Task Model_WithANameThatNoneCanHave_IsRefused(string field)
    {
        Assert.Equal(400, await PostAsync(Change(m => m["metadata"]![field] = new string('x', 100_000))));
        Assert.Equal(400, await PostAsync(Change(m => m["metadata"]![field] = "Not/A.Name")));
        Assert.Empty(_line.Looks);
    }

    [Theory]
    [InlineData("demo", "Bloom")]
    [InlineData("", "bloom")]
    public async Task Label_OfAModelThatCannotBe_IsNobodys(string ns, string model)
    {
        Assert.Equal(202, await PostAsync($$$"""{"kind":"DataLoad","metadata":{"name":"x","namespace":"{{{ns}}}","labels":{"prewarm.dev/model":"{{{model}}}"} } }"""));
        Assert.Empty(_line.Looks);
    }

    private static string Change(Action<JsonObject> change)
    {
        var model = JsonNode.Parse(Model)!.AsObject();
        change(model);
        return model.ToJsonString();
    }

    private async Task<int> PostAsync(string data, string verb = "update")
    {
        var context = PostedEvent.Of($"dev.knative.apiserver.resource.{verb}", data);
        await (await _function.RunAsync(context.Request, CancellationToken.None)).ExecuteAsync(context);
        return context.Response.StatusCode;
    }
}
