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
    [InlineData("/v1/models/bloom:predict", "/v1/models/bloom:predict")]
    [InlineData("/v1/models/bloom", "/v1/models/bloom")]
    [InlineData("/v2/models/bloom/infer", "/v2/models/bloom/infer")]
    [InlineData("/models/default/bloom/v1/models/bloom:predict", "/v1/models/bloom:predict")]
    [InlineData("/models/default/bloom/openai/v1/completions", "/openai/v1/completions")]
    public void Route_KnownModel_GoesToItsHost(string path, string forwarded)
    {
        var found = Assert.IsType<RelayOutcome.Found>(RelayRouter.Route(new([Model("default", "bloom")]), path));
        Assert.Equal("bloom.default.example.com", found.Host);
        Assert.Equal(forwarded, found.Path);
    }

    [Theory]
    [InlineData("/v1/models/opt:predict")]
    [InlineData("/v2/models/opt/infer")]
    [InlineData("/models/other/bloom/v1/models/bloom:predict")]
    public void Route_UnknownModel_NamesTheKnown(string path)
    {
        var unknown = Assert.IsType<RelayOutcome.Unknown>(RelayRouter.Route(new([Model("default", "bloom")]), path));
        Assert.Equal(["bloom"], unknown.Known);
    }

    [Fact]
    public void Route_SameNameInTwoNamespaces_ListsCandidates()
    {
        var outcome = RelayRouter.Route(new([Model("b", "bloom"), Model("a", "bloom")]), "/v1/models/bloom:predict");
        Assert.Equal(["/models/a/bloom/", "/models/b/bloom/"], Assert.IsType<RelayOutcome.Ambiguous>(outcome).Candidates);
    }

    [Theory]
    [InlineData(null, "http://bloom.default.example.com")]
    [InlineData("v1", null)]
    [InlineData("v1", "not a url")]
    public void Route_NothingServesYet_SaysThePhase(string? version, string? url)
    {
        var outcome = RelayRouter.Route(new([Model("default", "bloom", version, url)]), "/v1/models/bloom:predict");
        Assert.Equal(version is null ? "Warming" : "Serving", Assert.IsType<RelayOutcome.NotServing>(outcome).Phase);
    }

    [Fact]
    public void Route_ModelList_IsAnsweredFromTheSnapshot()
    {
        var outcome = RelayRouter.Route(new([Model("b", "x", modelName: "opt"), Model("a", "bloom")]), "/v1/models");
        Assert.Equal(["bloom", "opt"], Assert.IsType<RelayOutcome.ModelList>(outcome).Models);
    }
}
