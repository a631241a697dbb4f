using Prewarm.Functions.Scale;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

public class AutoscalerOrderTests
{
    private readonly AutoscalerOrder _order = new();

    [Fact]
    public void Newer_ByUidAndResourceVersion_NumbersNotText()
    {
        Assert.True(_order.Newer(Autoscaler("u", "9")));
        Assert.True(_order.Newer(Autoscaler("u", "10")));
        Assert.False(_order.Newer(Autoscaler("u", "10")));
        Assert.False(_order.Newer(Autoscaler("u", "9")));
    }

    [Fact]
    public void Newer_AfterADeletion_OldNewsDoesNotBringItBack_AndItsSuccessorCounts()
    {
        Assert.True(_order.Newer(Autoscaler("u", "10")));
        _order.Gone("ns", "pa", Autoscaler("u", "20"));
        Assert.False(_order.Newer(Autoscaler("u", "15")));
        Assert.True(_order.Newer(Autoscaler("v", "21")));
    }

    [Fact]
    public void Newer_Forgotten_MayBeToldAgain()
    {
        Assert.True(_order.Newer(Autoscaler("u", "10")));
        _order.Forget(("ns", "pa"));
        Assert.True(_order.Newer(Autoscaler("u", "10")));
    }

    private static PodAutoscaler Autoscaler(string uid, string version) => new() { Metadata = new() { Namespace = "ns", Name = "pa", Uid = uid, ResourceVersion = version } };
}
