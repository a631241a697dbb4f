using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

public sealed class HoldPlannerTests
{
    [Theory]
    [InlineData(HoldState.Open, ScaleLevel.Up, false, -1, false)]
    [InlineData(HoldState.Open, ScaleLevel.Unknown, false, -1, false)]
    [InlineData(HoldState.Open, ScaleLevel.Zero, false, -1, true)]
    [InlineData(HoldState.Open, ScaleLevel.Failed, false, -1, true)]
    [InlineData(HoldState.Open, ScaleLevel.Waking, false, -1, true)]
    [InlineData(HoldState.Open, ScaleLevel.Zero, true, 9, false)]
    [InlineData(HoldState.Open, ScaleLevel.Zero, true, 11, true)]
    [InlineData(HoldState.Open, ScaleLevel.Zero, false, 1, true)]
    [InlineData(HoldState.Open, ScaleLevel.Waking, false, 1, false)]
    [InlineData(HoldState.Waking, ScaleLevel.Up, false, 1, true)]
    [InlineData(HoldState.Ramping, ScaleLevel.Up, false, 1, true)]
    internal void MustWait_ByStateAndLevel(HoldState state, ScaleLevel level, bool unchanged, int sinceAnswer, bool waits) =>
        Assert.Equal(waits, HoldPlanner.MustWait(state, level, unchanged, sinceAnswer < 0 ? null : TimeSpan.FromSeconds(sinceAnswer)));

    [Theory]
    [InlineData(1, 5.0, 0, true)]
    [InlineData(6, 5.0, 0, false)]
    [InlineData(1, 5.0, 4.5, false)]
    [InlineData(1, 5.0, 7, false)]
    [InlineData(1, null, 0, false)]
    public void TooLate_OnlyWhenNoColdStartWasEverThatShort(double deadline, double? shortest, double since, bool late) =>
        Assert.Equal(late, HoldPlanner.TooLate(TimeSpan.FromSeconds(deadline), shortest is { } s ? TimeSpan.FromSeconds(s) : null, TimeSpan.FromSeconds(since)));

    [Theory]
    [InlineData(null, 0, 5)]
    [InlineData(12.2, 0, 13)]
    [InlineData(12.2, 4, 9)]
    [InlineData(12.2, 60, 1)]
    public void RetryAfter_IsWhatIsLeftOfTheUsualColdStart(double? typical, double since, int seconds) =>
        Assert.Equal(seconds, HoldPlanner.RetryAfter(typical is { } t ? TimeSpan.FromSeconds(t) : null, TimeSpan.FromSeconds(since)));

    [Fact]
    public void Times_MedianAndLeastOfTheLastFive()
    {
        var times = new ColdStartTimes { Seed = TimeSpan.FromSeconds(9) };
        Assert.Equal((TimeSpan.FromSeconds(9), TimeSpan.FromSeconds(9)), (times.Shortest, times.Typical));
        foreach (var seconds in (int[])[1, 10, 20, 30, 40, 50])
        {
            times.Add(TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal((TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30)), (times.Shortest, times.Typical));
    }

    [Fact]
    public void Ramp_DoublesPerRound_StaysInItsBound_AndDoesNotGrowByFailures()
    {
        var ramp = new ReleaseRamp(4, null);
        for (var round = 0; round < 3; round++)
        {
            for (var i = ramp.Window; i > 0; i--)
            {
                ramp.Answered();
            }
        }

        Assert.Equal(32, ramp.Window);
        ramp.Calm(null);
        Assert.Equal(64, ramp.Window);
        ramp.Failed();
        Assert.Equal(32, ramp.Window);
        ramp.Calm(null);
        Assert.Equal(32, ramp.Window);
        ramp.Calm(null);
        Assert.Equal(64, ramp.Window);
        var bound = new ReleaseRamp(4, 2);
        bound.Answered();
        bound.Calm(2);
        Assert.Equal(2, bound.Window);
        // More pods get ready, then one goes.
        bound.Calm(6);
        bound.Calm(6);
        Assert.Equal(6, bound.Window);
        bound.Calm(4);
        Assert.Equal(4, bound.Window);
    }

    [Theory]
    [InlineData(503, "pending request queue full", Refusal.QueueFull)]
    [InlineData(503, "pending request queue full\n", Refusal.QueueFull)]
    [InlineData(400, "pending request queue full", Refusal.None)]
    [InlineData(503, "upstream connect error", Refusal.None)]
    [InlineData(400, """{"error":"Model with name bloom is not ready."}""", Refusal.NotReady)]
    [InlineData(400, """{"error": "Model with name bloom is not ready yet."}""", Refusal.NotReady)]
    [InlineData(503, """{"error":"Model with name bloom is not ready. still loading"}""", Refusal.NotReady)]
    [InlineData(400, "Model with name bloom is not ready.", Refusal.NotReady)]
    [InlineData(400, """{"error":"the prompt 'Model x is not ready.' is too long"}""", Refusal.None)]
    [InlineData(400, """{"result":"Model with name bloom is not ready."}""", Refusal.None)]
    [InlineData(400, "{ is not ready", Refusal.None)]
    internal void Answer_SaysWhetherTheModelCanHaveBegun(int status, string body, Refusal refusal) =>
        Assert.Equal(refusal, AnswerVerdict.Of(status, System.Text.Encoding.UTF8.GetBytes(body)));

    [Fact]
    public async Task ReplayBody_KeepsWhatWasReadUpToItsBoundAndBudget()
    {
        var budget = new ReplayBudget(200);
        using var inner = new MemoryStream([.. Enumerable.Range(0, 100).Select(i => (byte)i)]);
        using var body = new ReplayBody(inner, 100, budget);
        var first = new byte[60];
        await body.ReadExactlyAsync(first);
        Assert.True(body.Rewind());
        var all = new byte[100];
        await body.ReadExactlyAsync(all);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (byte)i), all);
        Assert.True(body.Rewind());
        Assert.InRange(budget.Taken, 100, 200);
        using var second = new ReplayBody(new MemoryStream(new byte[100]), 100, budget);
        await second.ReadExactlyAsync(new byte[100]);
        Assert.False(second.Rewind());
        body.Dispose();
        Assert.Equal(0, budget.Taken);
        using var large = new ReplayBody(new MemoryStream(new byte[101]), 100, budget);
        Assert.True(large.Rewind());
        await large.ReadExactlyAsync(new byte[101]);
        Assert.False(large.Rewind());
        Assert.Equal(0, budget.Taken);
    }
}
