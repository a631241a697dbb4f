using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>Who of two CachedModels has what both ask for.</summary>
public sealed class ClaimsTests
{
    private static readonly DateTimeOffset T0 = new(2026, 11, 24, 8, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("oss://b/m", "oss://b/m", true)]
    [InlineData("oss://b/m/", "oss://b/m", true)]
    [InlineData("oss://b/m", "oss://b/m/deeper", true)]
    [InlineData("oss://b/m/deeper", "oss://b/m", true)]
    [InlineData("oss://b", "oss://b/m", true)]
    [InlineData("oss://b/m", "oss://b/mm", false)]
    [InlineData("oss://b/m", "oss://c/m", false)]
    public void Prefix_SameOrOverlapping_TheOlderHasIt(string older, string younger, bool claimed)
    {
        var (a, b) = (Model("a", older, 0), Model("b", younger, 1));
        Assert.Null(Claims.Of(a, new([a, b])));
        var fault = Claims.Of(b, new([a, b]));
        Assert.Equal(claimed, fault is not null);
        if (fault is not null)
        {
            Assert.Equal(("PrefixClaimed", $"spec.source.uri is '{younger}': CachedModel demo/a has {older.TrimEnd('/')}/, and files below it can be one model's only: give this one a prefix of its own, or delete the other"), (fault.Reason, fault.Message));
        }
    }

    [Theory]
    [InlineData("oss-cn-hangzhou-internal.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com", true)]
    [InlineData("http://one:9000", "http://two:9000", false)]
    [InlineData("http://one:9000", "HTTP://ONE:9000/", true)]
    [InlineData("oss-cn-hangzhou.aliyuncs.com", "http://one:9000", false)]
    public void Prefix_OfAnotherStore_IsAnother(string one, string other, bool claimed)
    {
        var (a, b) = (Model("a", "oss://b/m", 0), Model("b", "oss://b/m", 1));
        (a.Spec!.Source.Endpoint, b.Spec!.Source.Endpoint) = (one, other);
        Assert.Equal(claimed, Claims.Of(b, new([a, b])) is not null);
    }

    [Fact]
    public void Prefix_HeldByTheYounger_IsNotTakenAwayByAnEditOfTheOlder()
    {
        var (a, b) = (Model("a", "oss://b/m", 0), Model("b", "oss://b/m", 1));
        b.Status = new() { Source = "oss://b/m/" };
        a.Status = new() { Source = "oss://b/elsewhere/" };
        Assert.Null(Claims.Of(b, new([a, b])));
        Assert.NotNull(Claims.Of(a, new([a, b])));
    }

    [Fact]
    public void Prefix_HolderGoes_TheOtherHasIt()
    {
        var (a, b) = (Model("a", "oss://b/m", 0), Model("b", "oss://b/m", 1));
        a.Metadata.DeletionTimestamp = T0;
        Assert.Null(Claims.Of(b, new([a, b])));
    }

    [Fact]
    public void AnySetOfModels_ExactlyOneOfThoseThatWantOnePrefixHasIt()
    {
        var models = Enumerable.Range(0, 6).Select(i => Model($"m{i}", "oss://b/m", i / 3)).ToArray();
        Assert.Single(models, m => Claims.Of(m, new(models)) is null);
        models[4].Status = new() { Source = "oss://b/m/" };
        Assert.Same(models[4], Assert.Single(models, m => Claims.Of(m, new(models)) is null));
    }

    [Theory]
    [InlineData("demo", "demo", true)]
    [InlineData("demo", "other", false)]
    public void ServiceName_InOneNamespace_TheOlderHasIt(string one, string other, bool claimed)
    {
        var (a, b) = (Model("a", "oss://b/a", 0, one, "fluid"), Model("b", "oss://b/b", 1, other, "fluid"));
        Assert.Null(Claims.Of(a, new([a, b])));
        var fault = Claims.Of(b, new([a, b]));
        Assert.Equal(claimed ? "spec.serving.name is 'fluid': CachedModel demo/a has that name for its InferenceService: set spec.serving.name to another name, or delete the other" : null, fault?.Message);
    }

    private static CachedModel Model(string name, string uri, int minute, string ns = "demo", string? service = null) => new()
    {
        Metadata = new() { Name = name, Namespace = ns, CreationTimestamp = T0.AddMinutes(minute) },
        Spec = new() { Source = new() { Uri = uri, Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" }, Serving = new() { Name = service } },
    };
}
