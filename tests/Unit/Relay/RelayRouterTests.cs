using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

public sealed class RelayRouterTests
{
    internal static CachedModel Model(string ns, string name, string? version = "v1", string? url = "http://bloom.default.example.com", string? modelName = null) => new()
    {
        Metadata = new() { Namespace = ns, Name = name },
        Spec = new() { Serving = new() { ModelName = modelName } },
        Status = new() { Version = version, Url = url, Phase = version is null ? "Warming" : "Serving" },
    };

    [Theory]
    [InlineData("POST", "/v1/models/bloom:predict", true)]
    [InlineData("POST", "/v1/models/bloom:explain", true)]
    [InlineData("GET", "/v1/models/bloom", false)]
    [InlineData("HEAD", "/v1/models/bloom", false)]
    [InlineData("GET", "/v1/models/bloom/", false)]
    [InlineData("GET", "/v2/models/bloom", false)]
    [InlineData("GET", "/v2/models/bloom/ready", false)]
    [InlineData("POST", "/v2/models/bloom/infer", true)]
    [InlineData("GET", "/v2/models/bloom/versions/2", false)]
    [InlineData("GET", "/v2/models/bloom/versions/2/ready", false)]
    [InlineData("POST", "/v2/models/bloom/versions/2/infer", true)]
    [InlineData("POST", "/v1/models/bloom:predict?a=%2F..%2f&b=//", true)]
    [InlineData("POST", "/v1/models/bl%6Fom%3Apredict", true)]
    public void Route_ByName_IsForwardedAsWritten(string method, string target, bool demand)
    {
        var found = Assert.IsType<RelayOutcome.Found>(RelayRouter.Route(new([Model("default", "bloom"), Model("default", "opt")]), method, target));
        Assert.Equal("bloom", found.Model.Metadata.Name);
        Assert.Equal("bloom.default.example.com", found.Host);
        Assert.Equal(target, found.Path);
        Assert.Equal(demand, found.Demand);
        Assert.Equal("http://gateway:80" + target, found.To("http://gateway:80/").OriginalString);
        Assert.Equal(target, found.To("http://gateway/").PathAndQuery);
    }

    [Theory]
    [InlineData("POST", "/models/default/bloom/v1/models/bloom:predict", "/v1/models/bloom:predict")]
    [InlineData("GET", "/models/default/bloom/v1/models", "/v1/models")]
    [InlineData("GET", "/models/default/bloom/v2", "/v2")]
    [InlineData("GET", "/models/default/bloom/v2/health/ready", "/v2/health/ready")]
    [InlineData("POST", "/models/default/bloom/openai/v1/completions?x=1", "/openai/v1/completions?x=1")]
    [InlineData("POST", "/models/def%61ult/bloo%6d/openai/v1/chat/completions", "/openai/v1/chat/completions")]
    [InlineData("GET", "/models/default/bloom/openai/v1/models/", "/openai/v1/models/")]
    public void Route_ByAddress_GoesThereWithoutTheAddress(string method, string target, string forwarded)
    {
        var found = Assert.IsType<RelayOutcome.Found>(RelayRouter.Route(new([Model("default", "bloom"), Model("other", "bloom")]), method, target));
        Assert.Equal(new ModelKey("default", "bloom"), found.Model.Key());
        Assert.Equal(forwarded, found.Path);
        Assert.Equal(method == "POST", found.Demand);
    }

    [Theory]
    [InlineData("POST", "/v1/models/opt:predict", "bloom")]
    [InlineData("POST", "/v1/models/Bloom:predict", "bloom")]
    [InlineData("POST", "/v2/models/opt/infer", "bloom")]
    [InlineData("POST", "/models/other/bloom/v1/models/bloom:predict", "default/bloom")]
    [InlineData("GET", "/openai/v1/models/opt", "bloom")]
    public void Route_UnknownModel_NamesTheKnown(string method, string target, string known)
    {
        var unknown = Assert.IsType<RelayOutcome.Unknown>(RelayRouter.Route(new([Model("default", "bloom")]), method, target));
        Assert.Equal([known], unknown.Known);
    }

    [Theory]
    [InlineData("GET", "/v1/models", nameof(RouteKind.ModelList))]
    [InlineData("GET", "/v1/models/", nameof(RouteKind.ModelList))]
    [InlineData("GET", "/v2/models", nameof(RouteKind.ModelList))]
    [InlineData("GET", "/v2", nameof(RouteKind.Server))]
    [InlineData("GET", "/v2/", nameof(RouteKind.Server))]
    [InlineData("GET", "/v2/health/live", nameof(RouteKind.Live))]
    [InlineData("HEAD", "/v2/health/ready", nameof(RouteKind.Ready))]
    [InlineData("GET", "/openai/v1/models?limit=1", nameof(RouteKind.OpenAIList))]
    [InlineData("GET", "/openai/v1/models/bloom", nameof(RouteKind.OpenAIModel))]
    [InlineData("GET", "/openai/v1/models/default/bloom", nameof(RouteKind.OpenAIModel))]
    public void Route_OwnAnswers_NeedNoModel(string method, string target, string kind) =>
        Assert.Equal(kind, Assert.IsType<RelayOutcome.Own>(RelayRouter.Route(new([Model("default", "bloom")]), method, target)).Kind.ToString());

    [Theory]
    [InlineData("/openai/v1/completions")]
    [InlineData("/openai/v1/chat/completions")]
    [InlineData("/openai/v1/embeddings")]
    public void Route_OpenAI_AsksTheBody(string target) =>
        Assert.True(Assert.IsType<RelayOutcome.InBody>(RelayRouter.Route(new([]), "POST", target)) is { Demand: true } asked && asked.Path == target);

    [Theory]
    [InlineData("GET", "/v1/models/bloom:predict", "POST")]
    [InlineData("DELETE", "/v1/models/bloom:predict", "POST")]
    [InlineData("POST", "/v1/models", "GET, HEAD")]
    [InlineData("POST", "/v1/models/bloom", "GET, HEAD")]
    [InlineData("PUT", "/v2/models/bloom/ready", "GET, HEAD")]
    [InlineData("GET", "/v2/models/bloom/infer", "POST")]
    [InlineData("GET", "/openai/v1/completions", "POST")]
    [InlineData("POST", "/openai/v1/models", "GET, HEAD")]
    [InlineData("GET", "/models/default/bloom/v2/models/bloom/infer", "POST")]
    public void Route_WrongMethod_SaysTheRightOnes(string method, string target, string allowed) =>
        Assert.Equal(allowed, Assert.IsType<RelayOutcome.WrongMethod>(RelayRouter.Route(new([Model("default", "bloom")]), method, target)).Allowed);

    [Theory]
    [InlineData("/V1/models/bloom:predict")]
    [InlineData("/v1/Models/bloom:predict")]
    [InlineData("/v1/models/bloom:predict:predict")]
    [InlineData("/v1/models/bloom:load")]
    [InlineData("/v1/models/bloom/versions/1:predict")]
    [InlineData("/v1/models/bloom:predict/more")]
    [InlineData("/v2/models/bloom/unload")]
    [InlineData("/v2/repository/models/bloom/unload")]
    [InlineData("/v2/models/bloom/versions")]
    [InlineData("/v2/health")]
    [InlineData("/openai/v1/files")]
    [InlineData("/openai")]
    [InlineData("/models/default/bloom/metrics")]
    [InlineData("/models/default/bloom")]
    [InlineData("/models/default/bloom/models/other/opt/v1/models/opt:predict")]
    [InlineData("/v3/models")]
    public void Route_AnythingElse_IsNoRoute(string target) =>
        Assert.IsType<RelayOutcome.NoRoute>(RelayRouter.Route(new([Model("default", "bloom"), Model("other", "opt")]), "POST", target));

    [Theory]
    [InlineData("/v1/models/bloom/../opt:predict")]
    [InlineData("/v1/models/bloom/%2e%2E/opt:predict")]
    [InlineData("/v1/models/bloom/.%2e/opt:predict")]
    [InlineData("/v1/models/./bloom:predict")]
    [InlineData("/models/default/bloom/../../other/opt/v1/models/opt:predict")]
    [InlineData("/models/default/bloom/v1/models/..")]
    [InlineData("/v1/models/bloom%2Fopt:predict")]
    [InlineData("/v1/models/bloom%2fopt:predict")]
    [InlineData("/v1/models/bloom%5Copt:predict")]
    [InlineData("/v1/models/bloom\\opt:predict")]
    [InlineData("/v1/models/bloom%252Fopt:predict")]
    [InlineData("/v1/models/bloom%00:predict")]
    [InlineData("/v1/models/bloom%0d%0aHost:opt:predict")]
    [InlineData("/v1/models/bloom%7F:predict")]
    [InlineData("/v1/models/bloom%zz:predict")]
    [InlineData("/v1/models/bloom:predict%2")]
    [InlineData("/v1/models//bloom:predict")]
    [InlineData("//v1/models/bloom:predict")]
    [InlineData("/v1/models/bloom:predict//")]
    [InlineData("/v1/models/bloom#:predict")]
    [InlineData("*")]
    public void Route_PathThatSomeReadOtherwise_IsRefused(string target) =>
        Assert.IsType<RelayOutcome.BadPath>(RelayRouter.Route(new([Model("default", "bloom"), Model("other", "opt")]), "POST", target));

    [Theory]
    [InlineData("/v1/models/...:predict")]
    [InlineData("/v1/models/%C0%AF:predict")]
    [InlineData("/v1/models/bloom%E2%80%8B:predict")]
    [InlineData("/v1/models/:predict")]
    public void Route_OddNames_AreUnknown(string target) =>
        Assert.IsType<RelayOutcome.Unknown>(RelayRouter.Route(new([Model("default", "bloom")]), "POST", target));

    [Fact]
    public void Route_SameNameInTwoNamespaces_ListsCandidates()
    {
        var outcome = RelayRouter.Route(new([Model("b", "bloom"), Model("a", "bloom")]), "POST", "/v1/models/bloom:predict");
        Assert.Equal(["/models/a/bloom/", "/models/b/bloom/"], Assert.IsType<RelayOutcome.Ambiguous>(outcome).Candidates);
    }

    [Theory]
    [InlineData(null, "http://bloom.default.example.com")]
    [InlineData("v1", null)]
    [InlineData("v1", "not a url")]
    public void Route_NothingServesYet_SaysThePhase(string? version, string? url)
    {
        var outcome = RelayRouter.Route(new([Model("default", "bloom", version, url)]), "POST", "/v1/models/bloom:predict");
        Assert.Equal(version is null ? "Warming" : "Serving", Assert.IsType<RelayOutcome.NotServing>(outcome).Phase);
    }

    [Theory]
    [InlineData("opt", "default/other")]
    [InlineData("org/model", "default/slashed")]
    [InlineData("a/bloom", "a/bloom")]
    [InlineData("default/other", "default/other")]
    public void ByBody_ServedNameOrAddress_IsFound(string id, string key)
    {
        CatalogSnapshot catalog = new([Model("a", "bloom"), Model("b", "bloom"), Model("default", "other", modelName: "opt"), Model("default", "slashed", modelName: "org/model")]);
        Assert.Equal(key, Assert.IsType<RelayOutcome.Found>(RelayRouter.ByBody(catalog, id, new("/openai/v1/completions", true))).Model.Key().ToString());
    }

    [Fact]
    public void ByBody_NameOfOneIsAddressOfAnother_IsNobodys()
    {
        CatalogSnapshot catalog = new([Model("prod", "bloom"), Model("evil", "thief", modelName: "prod/bloom")]);
        var ambiguous = Assert.IsType<RelayOutcome.Ambiguous>(RelayRouter.ByBody(catalog, "prod/bloom", new("/openai/v1/completions", true)));
        Assert.Equal(["/models/evil/thief/", "/models/prod/bloom/"], ambiguous.Candidates);
    }

    [Fact]
    public void Lists_OfASnapshot_TellNamesAndIds()
    {
        CatalogSnapshot catalog = new([Model("b", "x", modelName: "opt"), Model("a", "bloom"), Model("b", "bloom")]);
        Assert.Equal("""{"models":["bloom","opt"]}""", System.Text.Encoding.UTF8.GetString(RelayLists.Of(catalog).List));
        Assert.Equal(["a/bloom", "b/bloom", "opt"], RelayLists.Of(catalog).Ids);
        Assert.Same(RelayLists.Of(catalog).OpenAI, RelayLists.Of(catalog).OpenAI);
    }

    /// <summary>What a request that finds its model among ten thousand costs is the outcome.</summary>
    [Theory]
    [InlineData("/v1/models/bloom:predict")]
    [InlineData("/models/default/bloom/v1/models/bloom:predict")]
    public void Route_Found_AllocatesTheOutcomeAlone(string target)
    {
        CatalogSnapshot catalog = new([.. Enumerable.Range(0, 10_000).Select(i => Model($"ns-{i % 50}", $"m{i}")), Model("default", "bloom")]);
        RelayRouter.Route(catalog, "POST", target);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            RelayRouter.Route(catalog, "POST", target);
        }

        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / 1000;
        // The address costs the path without it.
        Assert.InRange(each, 1, target.StartsWith("/models", StringComparison.Ordinal) ? 160 : 64);
    }
}
