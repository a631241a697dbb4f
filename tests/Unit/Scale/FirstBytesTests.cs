using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

public sealed class FirstBytesTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_since = new(2026, 11, 24, 12, 0, 50, TimeSpan.Zero);
    private readonly ScaleWorld _world = new();

    public ValueTask InitializeAsync() => _world.Server.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Theory]
    [InlineData("Ready", "2026-11-24T12:01:00Z", true)]
    [InlineData("Ready", "2026-11-24T12:00:00Z", true)]
    [InlineData("Ready", "2026-11-24T12:02:00Z", true)]
    [InlineData("Ready", "2026-11-24T12:03:00Z", false)]
    [InlineData("Ready", "2026-11-24T11:58:00Z", false)]
    [InlineData("Waking", "2026-11-24T12:01:00Z", false)]
    [InlineData("TimedOut", "2026-11-24T12:01:00Z", false)]
    public void With_TheWakeThatEndedInThatMinute_HasThePhaseBeforeTheTotal(string phase, string minute, bool noted)
    {
        var status = FirstBytes.With(Wake(phase), DateTimeOffset.Parse(minute, System.Globalization.CultureInfo.InvariantCulture), 0.25);
        Assert.Equal(noted, status is not null);
        if (noted)
        {
            Assert.Equal([("load", 3), ("first_byte", 0.25), ("total", 12.5)], status!.Phases!.Select(p => (p.Name, p.Seconds)));
            // A second relay's report changes nothing.
            Assert.Null(FirstBytes.With(status, DateTimeOffset.Parse(minute, System.Globalization.CultureInfo.InvariantCulture), 9));
        }
    }

    [Fact]
    public void With_NoWake_Nothing() => Assert.Null(FirstBytes.With(null, s_since, 1));

    [Fact]
    public async Task Tell_WritesNothingElse()
    {
        var key = await _world.ServeAsync("bloom", ["node-1"]);
        var model = (await _world.Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, _world.Deadline))!;
        var writer = new ActivationWriter(_world.Api, TimeProvider.System, NullLogger<ActivationWriter>.Instance);
        await writer.WriteAsync(model, new("id", key, new(), s_since, s_since), Wake("Ready"), _world.Deadline);
        var first = new FirstBytes(_world.Api, new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), NullLogger<FirstBytes>.Instance);
        await first.TellAsync(key, s_since.AddSeconds(10), 0.25, _world.Deadline);
        await first.TellAsync(key, s_since.AddSeconds(10), 0.75, _world.Deadline);
        await first.TellAsync(new(key.Namespace, "nobody"), s_since, 1, _world.Deadline);
        var after = (await _world.Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, _world.Deadline))!.Status!;
        Assert.Equal(("v1", "id", "Local"), (after.Version, after.Activation!.Id, after.Activation.Verdict));
        Assert.Equal([("load", 3), ("first_byte", 0.25), ("total", 12.5)], after.Activation.Phases!.Select(p => (p.Name, p.Seconds)));
    }

    private static ActivationStatus Wake(string phase) => new()
    {
        Id = "id",
        Phase = phase,
        Since = s_since,
        Version = "v1",
        Verdict = "Local",
        Phases = [new() { Name = "load", Seconds = 3 }, new() { Name = "total", Seconds = 12.5 }],
    };
}
