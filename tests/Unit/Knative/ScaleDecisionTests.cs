using Microsoft.Extensions.Time.Testing;
using Prewarm.Sandbox.Knative;
using Xunit;

namespace Prewarm.Tests.Unit.Knative;

public sealed class ScaleDecisionTests
{
    private static readonly KnativeOptions s_options = new() { ScaleToZero = TimeSpan.FromSeconds(90), TargetConcurrency = 10, ProgressDeadline = TimeSpan.FromSeconds(600) };
    private static readonly ScaleView s_used = new(Initialized: true, Alive: 1, Ready: 1, Concurrency: 3, Idle: TimeSpan.Zero, Queued: null, TimedOut: false, Min: 0, Max: 0);

    [Fact]
    public void FirstDeployment_WantsOnePodAndQueues()
    {
        var decision = ScaleDecision.Of(s_used with { Initialized = false, Alive = 0, Ready = 0, Concurrency = 0, Idle = TimeSpan.FromHours(1) }, s_options);
        Assert.Equal((1, "Unknown", "Queued"), (decision.Desired, decision.Active, decision.Reason));
    }

    [Theory]
    [InlineData(3, 1)]
    [InlineData(10, 1)]
    [InlineData(11, 2)]
    [InlineData(95, 10)]
    public void Concurrency_IsSharedOutByTheTarget(int concurrency, int pods) => Assert.Equal(pods, ScaleDecision.Of(s_used with { Concurrency = concurrency }, s_options).Desired);

    [Fact]
    public void Bounds_HoldBothWays()
    {
        Assert.Equal(4, ScaleDecision.Of(s_used with { Concurrency = 95, Max = 4 }, s_options).Desired);
        Assert.Equal(2, ScaleDecision.Of(s_used with { Concurrency = 0, Idle = TimeSpan.FromHours(1), Min = 2 }, s_options).Desired);
    }

    [Fact]
    public void ScaleOut_BelowTheMinimum_QueuesWithReadyPods()
    {
        var decision = ScaleDecision.Of(s_used with { Min = 3 }, s_options);
        Assert.Equal((3, "Unknown", "Queued"), (decision.Desired, decision.Active, decision.Reason));
        Assert.Equal("True", ScaleDecision.Of(s_used with { Min = 3, Alive = 3, Ready = 3 }, s_options).Active);
    }

    [Theory]
    [InlineData(89, 1)]
    [InlineData(90, 0)]
    public void Idle_ForTheWindow_EndsAtZero(int seconds, int pods)
    {
        var decision = ScaleDecision.Of(s_used with { Concurrency = 0, Idle = TimeSpan.FromSeconds(seconds) }, s_options);
        Assert.Equal(pods, decision.Desired);
        Assert.Equal(pods == 0 ? "NoTraffic" : null, decision.Reason);
    }

    [Fact]
    public void Wake_ThatTakesTooLong_TimesOut_AndTheNextRequestWakesAgain()
    {
        var waking = s_used with { Alive = 1, Ready = 0, Queued = TimeSpan.FromSeconds(601) };
        Assert.Equal((0, "TimedOut"), (ScaleDecision.Of(waking, s_options).Desired, ScaleDecision.Of(waking, s_options).Reason));
        var after = s_used with { Alive = 0, Ready = 0, TimedOut = true };
        Assert.Equal("TimedOut", ScaleDecision.Of(after with { Concurrency = 0 }, s_options).Reason);
        Assert.Equal((1, "Queued"), (ScaleDecision.Of(after, s_options).Desired, ScaleDecision.Of(after, s_options).Reason));
    }

    [Fact]
    public async Task Traffic_OfARequestThatGaveUp_KeepsThePodItWokeForTheWholeWindow()
    {
        var time = new FakeTimeProvider();
        var traffic = new RevisionTraffic(time);
        time.Advance(TimeSpan.FromMinutes(5));
        using var caller = new CancellationTokenSource();
        var waiting = traffic.PodAsync(() => { }, caller.Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal((0, time.GetUtcNow()), (traffic.Concurrency, traffic.LastActive));
    }
}
