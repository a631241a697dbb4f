using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

public class RepairPlanTests
{
    private static readonly LocalityVerdict s_partial = new(Locality.Partial, "Evicted");

    [Fact]
    public void Of_LoadBeforeThePodWouldHaveRead_Now()
    {
        var plan = RepairPlan.Of(Facts(), s_partial, 10);
        Assert.Equal(RepairTime.Now, plan.When);
        Assert.StartsWith("a DataLoad brings 2.00MiB back", plan.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_ManyCopiesOverASlowLink_ThePodReadsFirst()
    {
        // Eight copies at the rate that a load was measured with, while the pod needs one.
        var facts = Facts(copies: 8, last: "80s");
        var plan = RepairPlan.Of(facts, s_partial, 0.1);
        Assert.Equal(RepairTime.After, plan.When);
        Assert.EndsWith("it follows", plan.Message, StringComparison.Ordinal);
        Assert.Equal(RepairTime.Now, RepairPlan.Of(facts, s_partial, null).When);
    }

    [Theory]
    [InlineData("Local")]
    [InlineData("Spread")]
    [InlineData("Remote")]
    [InlineData("Unknown")]
    public void Of_NothingMissing_None(string locality) => Assert.Equal(new(RepairTime.None, ""), RepairPlan.Of(Facts(), new(Enum.Parse<Locality>(locality), "r"), 10));

    [Fact]
    public void Of_ALoadThatRuns_WhoeverMadeIt_None()
    {
        var running = Facts() with { Loads = [new() { Metadata = new() { Name = "other" }, Status = new() { Phase = "Executing" } }] };
        Assert.Equal(new(RepairTime.None, "DataLoad other is loading already"), RepairPlan.Of(running, s_partial, 10));
        var facts = Facts();
        facts.Dataset!.Status!.OperationRef = new() { ["DataLoad"] = "a,b" };
        Assert.Equal("the Dataset is busy with a,b", RepairPlan.Of(facts, s_partial, 10).Message);
        facts.Dataset.Status.OperationRef = null;
        facts.Dataset.Status.DataLoadRef = "old";
        Assert.Equal("the Dataset is busy with old", RepairPlan.Of(facts, s_partial, 10).Message);
    }

    /// <summary>The Dataset names the load that has it: by <c>dataLoadRef</c> below Fluid 1.0, which queues a second one, by <c>operationRef</c> above, which runs both.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_DatasetThatAnotherLoadHas_None(bool old)
    {
        var facts = Facts();
        facts.Dataset!.Status!.DataLoadRef = old ? "theirs" : null;
        facts.Dataset.Status.OperationRef = old ? null : new() { ["DataLoad"] = "theirs" };
        Assert.Equal(new(RepairTime.None, "the Dataset is busy with theirs"), RepairPlan.Of(facts, s_partial, 10));
        (facts.Dataset.Status.DataLoadRef, facts.Dataset.Status.OperationRef) = ("", new() { ["DataLoad"] = "" });
        Assert.Equal(RepairTime.Now, RepairPlan.Of(facts, s_partial, 10).When);
    }

    [Fact]
    public void Of_WorkersNotReady_None()
    {
        var facts = Facts() with { Runtime = new() { Status = new() { WorkerPhase = "PartialReady" } } };
        Assert.Equal(RepairTime.None, RepairPlan.Of(facts, s_partial, 10).When);
    }

    private static ModelFacts Facts(int copies = 2, string? last = null)
    {
        var model = ScaleWorld.Model("bloom");
        model.Spec!.Cache.Replicas = copies;
        return new(model)
        {
            Version = ScaleWorld.Status("bloom").Versions![0],
            Dataset = new() { Status = new() { Phase = "Bound", CacheStates = new() { ["cached"] = "0.00B" } } },
            Runtime = new() { Status = new() { WorkerPhase = "Ready" } },
            Loads = last is null ? [] : [new() { Metadata = new() { Name = "l" }, Status = new() { Phase = "Complete", Duration = last } }],
        };
    }
}
