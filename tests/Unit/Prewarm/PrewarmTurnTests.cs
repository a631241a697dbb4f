using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>However many prewarmers run, one acts.</summary>
public sealed class PrewarmTurnTests : IAsyncDisposable
{
    private readonly ApiWorld _world = new();
    private readonly FakeTimeProvider _time = new(new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero));

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Mine_TwoProcesses_OneHasItUntilItIsSilent()
    {
        await _world.StartAsync();
        var (a, b) = (New(), New());
        Assert.Equal((true, false), (await MineAsync(a), await MineAsync(b)));
        for (var i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            Assert.Equal((false, true), (await MineAsync(b), await MineAsync(a)));
        }

        // It is dead. Its last sign of life is seen 10 s later.
        for (var i = 0; i < 2; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            Assert.False(await MineAsync(b));
        }

        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.True(await MineAsync(b));
        // It was only slow.
        Assert.False(await MineAsync(a));
        Assert.True(await b.StillMineAsync(_world.Deadline));
        Assert.False(await a.StillMineAsync(_world.Deadline));
    }

    [Fact]
    public async Task Mine_BothAtOnce_OneHasIt()
    {
        await _world.StartAsync();
        PrewarmTurn[] some = [.. Enumerable.Range(0, 5).Select(_ => New())];
        Assert.Single(await Task.WhenAll(some.Select(MineAsync)), m => m);
        _time.Advance(TimeSpan.FromMinutes(1));
        // The first look after that finds the record as it was a minute ago: all would take it.
        await Task.WhenAll(some.Select(MineAsync));
        Assert.Single(some, t => t.StillMineAsync(_world.Deadline).Result);
    }

    [Fact]
    public async Task Leave_GivesItBackAtOnce()
    {
        await _world.StartAsync();
        var (a, b) = (New(), New());
        Assert.True(await MineAsync(a));
        await b.LeaveAsync(_world.Deadline);
        Assert.False(await MineAsync(b));
        await a.LeaveAsync(_world.Deadline);
        Assert.True(await MineAsync(b));
    }

    /// <summary>The clock of the wall jumps: only the time that has passed counts.</summary>
    [Fact]
    public async Task Mine_WallClockOfTheOtherMachine_IsNotAsked()
    {
        await _world.StartAsync();
        var late = new FakeTimeProvider(_time.GetUtcNow().AddYears(1));
        var (a, b) = (New(), new PrewarmTurn(_world.Api, new() { StateNamespace = "default" }, late, NullLogger<PrewarmTurn>.Instance));
        Assert.True(await MineAsync(a));
        Assert.False(await b.MineAsync(_world.Deadline));
        late.Advance(TimeSpan.FromSeconds(19));
        Assert.False(await b.MineAsync(_world.Deadline));
        late.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await b.MineAsync(_world.Deadline));
    }

    private PrewarmTurn New() => new(_world.Api, new() { StateNamespace = "default" }, _time, NullLogger<PrewarmTurn>.Instance);

    private Task<bool> MineAsync(PrewarmTurn turn) => turn.MineAsync(_world.Deadline);
}
