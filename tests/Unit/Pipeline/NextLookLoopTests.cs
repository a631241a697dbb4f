using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

public sealed class NextLookLoopTests : IDisposable
{
    private readonly LineFake _line = new();
    private readonly FakeTimeProvider _time = new();
    private readonly CachedModel _model = new()
    {
        Metadata = new() { Name = "bloom", Namespace = "demo", Generation = 1, ResourceVersion = "1" },
        Status = new() { ObservedGeneration = 1 },
    };

    private readonly NextLookLoop _loop;

    public NextLookLoopTests() => _loop = new(new CatalogFake(_model), _line, _time, NullLogger<NextLookLoop>.Instance);

    public void Dispose() => _loop.Dispose();

    [Fact]
    public void Tick_NothingDue_NoLook()
    {
        Assert.Equal(TimeSpan.FromMinutes(1), Tick());
        Assert.Empty(_line.Looks);
    }

    [Fact]
    public void Tick_NextLook_AtThatTimeAndNotBefore()
    {
        _model.Status!.NextLook = _time.GetUtcNow().AddSeconds(30);
        Assert.Equal(TimeSpan.FromSeconds(30), Tick());
        Assert.Empty(_line.Looks);
        _time.Advance(TimeSpan.FromSeconds(30));
        Tick();
        Assert.Single(_line.Looks);
    }

    /// <summary>Two looks before the catalog has the status of the first would list the prefix twice, and the event that completes the upload would wait for the 2 s after the second.</summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Tick_ListsTheStoreAgain_OnlyWhenItsTimeHasCome(bool seen, bool fresh)
    {
        _model.Metadata.Generation = seen ? 1 : 2;
        _model.Status!.NextLook = _time.GetUtcNow();
        Tick();
        Assert.Equal([fresh], _line.Fresh);
    }

    [Fact]
    public void Tick_LookLeavesTheModelAsDueAsBefore_NoSpinning()
    {
        _model.Metadata.Generation = 2;
        Tick();
        var wait = Tick();
        Assert.Single(_line.Looks);
        _time.Advance(wait);
        Tick();
        Assert.Equal(2, _line.Looks.Count);
    }

    [Fact]
    public void Tick_ModelChangedSinceItsLook_LooksAtOnce()
    {
        _model.Metadata.Generation = 2;
        Tick();
        _model.Metadata.ResourceVersion = "2";
        Tick();
        Assert.Equal(2, _line.Looks.Count);
    }

    [Fact]
    public void Tick_LooksFail_WaitsLongerEachTimeAndNeverThrows()
    {
        _model.Metadata.Generation = 2;
        var answers = new Queue<Task<LineOutcome>>([Task.FromResult(LineOutcome.Transient), Task.FromException<LineOutcome>(new InvalidOperationException("a bug")), Task.FromResult(LineOutcome.Transient)]);
        _line.Answer = _ => answers.Dequeue();
        var waits = new List<double>();
        while (answers.Count > 0)
        {
            Tick();
            waits.Add(Tick().TotalSeconds);
            _time.Advance(TimeSpan.FromSeconds(waits[^1]));
        }

        Assert.Equal([2, 4, 8], waits);
    }

    [Theory]
    [InlineData("Warming", "False", true)]
    [InlineData("RollingOut", "False", true)]
    [InlineData("Serving", "False", true)]
    [InlineData("Serving", "True", false)]
    [InlineData("Waiting", "False", false)]
    [InlineData("Blocked", "False", false)]
    public void Tick_NoEventComes_ModelsOnTheirWayAreLookedAtEverMoreRarely(string phase, string ready, bool looked)
    {
        _model.Status!.Phase = phase;
        _model.Status.Conditions = [new() { Type = "Ready", Status = ready }];
        var waits = new List<double>();
        for (var i = 0; i < 12; i++)
        {
            Tick();
            waits.Add(Tick().TotalSeconds);
            _time.Advance(TimeSpan.FromSeconds(waits[^1]));
        }

        Assert.Equal(looked ? 12 : 0, _line.Looks.Count);
        Assert.Equal(looked ? [2, 3, 4.5] : [60, 60, 60], waits.Take(3));
        Assert.Equal(looked ? 30 : 60, waits[^1]);
    }

    [Theory]
    [InlineData("Uploading")]
    [InlineData("Serving")]
    public void Tick_OpenUploadsAreWaitedFor_LookedAtAgainWithin10Seconds_BecauseAnAbortSendsNoEvent(string phase)
    {
        _model.Status!.Phase = phase;
        _model.Status.NextLook = _time.GetUtcNow().AddHours(1);
        _model.Status.Conditions = [new() { Type = "UploadComplete", Status = "False", Reason = "MultipartOpen" }, new() { Type = "Ready", Status = phase == "Serving" ? "True" : "False" }];
        var waits = new List<double>();
        for (var i = 0; i < 8; i++)
        {
            Tick();
            waits.Add(Tick().TotalSeconds);
            _time.Advance(TimeSpan.FromSeconds(waits[^1]));
        }

        Assert.Equal(8, _line.Looks.Count);
        Assert.Equal([2, 3, 4.5, 6.75, 10, 10, 10, 10], waits);
    }

    [Fact]
    public void Tick_EachLookMovesTheModel_NeverWithoutAPause()
    {
        _model.Status!.Phase = "Warming";
        for (var i = 0; i < 3; i++)
        {
            Tick();
            _model.Metadata.ResourceVersion = $"{i + 2}";
            Assert.Equal(NextLookLoop.ShortestUnmoved, Tick());
            Assert.Equal(i + 1, _line.Looks.Count);
            _time.Advance(NextLookLoop.ShortestUnmoved);
        }
    }

    [Fact]
    public void Tick_ALookStillRuns_NoSecondOne()
    {
        _model.Metadata.Generation = 2;
        _line.Answer = _ => new TaskCompletionSource<LineOutcome>().Task;
        Tick();
        _model.Metadata.ResourceVersion = "2";
        Tick();
        Assert.Single(_line.Looks);
    }

    private TimeSpan Tick() => _loop.Tick(CancellationToken.None);
}
