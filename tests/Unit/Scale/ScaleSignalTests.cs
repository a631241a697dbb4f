using System.Text.Json;
using Prewarm.Functions.Scale;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

public class ScaleSignalTests
{
    [Theory]
    [InlineData("False", "NoTraffic", 0, 0, "True", "Zero", false)]
    [InlineData("False", "NoTraffic", -1, 0, "True", "Zero", false)]
    [InlineData("False", "TimedOut", 0, 0, "True", "Failed", false)]
    [InlineData("Unknown", "Queued", 1, 0, "True", "Waking", false)]
    // A first deployment queues as well, but has never had its initial scale.
    [InlineData("Unknown", "Queued", 1, 0, "Unknown", "Unknown", true)]
    [InlineData("Unknown", "Queued", 1, 0, "False", "Unknown", true)]
    // Scale-out and a lost pod of several: fewer ready than the minimum, but not from zero.
    [InlineData("Unknown", "Queued", 3, 2, "True", "Up", false)]
    [InlineData("True", null, 5, 1, "True", "Up", false)]
    // Nothing is asked for, or the autoscaler does not know.
    [InlineData("Unknown", "Queued", 0, 0, "True", "Unknown", false)]
    [InlineData("Unknown", "Queued", -1, 0, "True", "Unknown", false)]
    public void Of_ConditionsAndScales_Level(string active, string? reason, int desired, int actual, string initialized, string level, bool first)
    {
        var signal = ScaleSignal.Of(Autoscaler(ScaleWorld.Status(active, reason, desired, actual, initialized, "2026-11-24T02:00:00Z")));
        Assert.Equal((level, first, actual), (signal.Level.ToString(), signal.FirstDeploy, signal.ReadyPods));
        Assert.Equal(level == "Waking" ? "uid-1/2026-11-24T02:00:00Z" : null, signal.ActivationId("uid-1"));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"status":{}}""")]
    [InlineData("""{"status":{"conditions":[null]}}""")]
    [InlineData("""{"status":{"desiredScale":1,"conditions":[{"type":"Ready","status":"Unknown","reason":"Queued"}]}}""")]
    public void Of_WithoutActive_Unknown(string json) => Assert.Equal(ScaleLevel.Unknown, ScaleSignal.Of(Autoscaler(json)).Level);

    [Fact]
    public void ActivationId_FailedWakeQueuedAgain_IsAnother()
    {
        string? Id(string since) => ScaleSignal.Of(Autoscaler(ScaleWorld.Status("Unknown", "Queued", 1, 0, "True", since))).ActivationId("u");
        Assert.NotEqual(Id("2026-11-24T02:00:00Z"), Id("2026-11-24T02:10:00Z"));
        Assert.Equal(Id("2026-11-24T02:00:00Z"), Id("2026-11-24T03:00:00+01:00"));
    }

    private static PodAutoscaler Autoscaler(string json) => JsonSerializer.Deserialize(json, ScaleJsonContext.Default.PodAutoscaler)!;
}
