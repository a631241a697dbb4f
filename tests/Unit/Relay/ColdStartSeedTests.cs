using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.Scale;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

public sealed class ColdStartSeedTests
{
    [Theory]
    [InlineData("Ready", "v1", "Local", "Local", 12.5)]
    [InlineData("Ready", "v1", "Spread", "Local", 12.5)]
    [InlineData("Ready", "v1", "Local", "Cold", 12.5)]
    [InlineData("Ready", "v1", "Cold", "Cold", 12.5)]
    // Nearer now than then: it may be far quicker.
    [InlineData("Ready", "v1", "Cold", "Local", null)]
    [InlineData("Ready", "v1", "Remote", "Spread", null)]
    [InlineData("Ready", "v1", null, "Local", null)]
    [InlineData("Waking", "v1", "Local", "Local", null)]
    [InlineData("TimedOut", "v1", "Local", "Local", null)]
    [InlineData("Ready", "v0", "Local", "Local", null)]
    public void Of_TheLastColdStart_WhereItSaysSomethingOfTheNext(string phase, string version, string? then, string now, double? seconds)
    {
        var model = Model(new() { Phase = phase, Version = version, Verdict = then, Phases = [new() { Name = "load", Seconds = 3 }, new() { Name = "total", Seconds = 12.5 }] });
        Assert.Equal(seconds, ColdStartSeed.Of(model, Enum.Parse<Locality>(now))?.TotalSeconds);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(86_400)]
    [InlineData(double.NaN)]
    public void Of_ATimeThatCannotBe_Nothing(double seconds) =>
        Assert.Null(ColdStartSeed.Of(Model(new() { Phase = "Ready", Version = "v1", Verdict = "Local", Phases = [new() { Name = "total", Seconds = seconds }] }), Locality.Local));

    [Fact]
    public void Of_NoActivation_Nothing()
    {
        Assert.Null(ColdStartSeed.Of(Model(null), Locality.Local));
        Assert.Null(ColdStartSeed.Of(new(), Locality.Local));
        Assert.Null(ColdStartSeed.Of(Model(new() { Phase = "Ready", Version = "v1", Verdict = "Local" }), Locality.Local));
    }

    [Fact]
    public void WakeId_SameColdStart_SameForEveryReplica_AndAnotherForEveryOther()
    {
        var zero = new ModelScale(ScaleLevel.Zero, 0, "bloom-predictor-00001", new(Locality.Cold, "r")) { Since = DateTimeOffset.UnixEpoch };
        var id = WakeRequests.Id(Model(null), zero);
        // What a replica sees of the cache at that moment makes it no other cold start.
        Assert.Equal(id, WakeRequests.Id(Model(new() { Phase = "Ready" }), zero with { Locality = new(Locality.Partial, "s"), Level = ScaleLevel.Waking }));
        var other = ScaleWorld.Model("bloom");
        other.Status = ScaleWorld.Status("bloom");
        other.Status.Versions![0].Digest = "ffff";
        string[] others =
        [
            WakeRequests.Id(other, zero),
            WakeRequests.Id(Model(null), zero with { Since = DateTimeOffset.UnixEpoch.AddSeconds(1) }),
            WakeRequests.Id(Model(null), zero with { Revision = "bloom-predictor-00002" }),
            WakeRequests.Id(Model(null), zero with { Since = null }),
        ];
        Assert.DoesNotContain(id, others);
        Assert.Equal(others.Length, others.Distinct(StringComparer.Ordinal).Count());
    }

    private static CachedModel Model(ActivationStatus? activation)
    {
        var model = ScaleWorld.Model("bloom");
        model.Status = ScaleWorld.Status("bloom");
        model.Status.Activation = activation;
        return model;
    }
}
