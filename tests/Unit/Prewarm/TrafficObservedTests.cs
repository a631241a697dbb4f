using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.Events;
using Prewarm.Tests.Unit.Pipeline;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public sealed class TrafficObservedTests
{
    private const string Report = """{"replica":"relay-1","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"default","name":"bloom","count":3,"first":1.5,"last":50,"served":2,"serviceSeconds":0.25}]}""";
    private readonly Arrivals _arrivals = new();
    private readonly SeenEvents _seen = new(100);

    [Fact]
    public async Task Event_TwiceTheSame_CountsOnce()
    {
        Assert.Equal(202, await PostAsync(Report));
        Assert.Equal(202, await PostAsync(Report));
        var minute = Assert.Single(_arrivals.Recent(new("default", "bloom")));
        Assert.Equal((3, 1.5, 50.0, 2, 0.25), (minute.Count, minute.First, minute.Last, minute.Served, minute.ServiceSeconds));
        Assert.Equal(DateTimeOffset.Parse("2026-11-24T12:30:01.5Z").ToUnixTimeMilliseconds() / 1000.0, minute.FirstAt);
    }

    [Fact]
    public async Task Event_TwoReplicasSameMinute_AreOneMinute()
    {
        await PostAsync(Report, id: "a");
        await PostAsync(Report.Replace("relay-1", "relay-2", StringComparison.Ordinal).Replace("1.5", "0.5", StringComparison.Ordinal), id: "b");
        var minute = Assert.Single(_arrivals.Recent(new("default", "bloom")));
        Assert.Equal((6, 0.5), (minute.Count, minute.First));
    }

    /// <summary>It comes before its minute's count, and would else make the minute begin with its first second.</summary>
    [Fact]
    public async Task Event_OfAFirstAnswerAlone_CountsNothing()
    {
        const string first = """{"replica":"relay-1","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"default","name":"bloom","count":0,"first":0,"last":0,"served":0,"serviceSeconds":0,"firstByte":0.25}]}""";
        Assert.Equal(202, await PostAsync(first, id: "cold"));
        Assert.Empty(_arrivals.Recent(new("default", "bloom")));
        await PostAsync(Report);
        Assert.Equal((3, 1.5), (_arrivals.Recent(new("default", "bloom"))[0].Count, _arrivals.Recent(new("default", "bloom"))[0].First));
    }

    [Fact]
    public async Task Event_OfAModelThatIsNot_IsTakenAndForgotten()
    {
        Assert.Equal(202, await PostAsync(Report.Replace("bloom", "made-up", StringComparison.Ordinal)));
        Assert.Empty(_arrivals.Recent(new("default", "made-up")));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:01Z","models":[]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00+08:00","models":[]}""")]
    [InlineData("""{"replica":"r","minute":"2999-01-01T00:00:00Z","models":[]}""")]
    [InlineData("""{"replica":"","minute":"2026-11-24T12:30:00Z","models":[]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":null}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":[null]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"a","name":"b","count":-1,"first":0,"last":0,"served":0,"serviceSeconds":0}]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"a","name":"b","count":1,"first":9,"last":1,"served":0,"serviceSeconds":0}]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"a","name":"b","count":1,"first":0,"last":60,"served":0,"serviceSeconds":0}]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"a","name":"b","count":1e99,"first":0,"last":0,"served":0,"serviceSeconds":0}]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"a","name":"b","count":1,"first":0,"last":0,"served":1,"serviceSeconds":1e300}]}""")]
    [InlineData("""{"replica":"r","minute":"2026-11-24T12:30:00Z","models":[{"namespace":"a","name":"b","count":1,"first":0,"last":0,"served":0,"serviceSeconds":1}]}""")]
    [InlineData("""{"replica":"r","minute":"yesterday","models":[]}""")]
    public async Task Event_ThatCannotBe_IsPoison(string data) => Assert.Equal(400, await PostAsync(data));

    [Fact]
    public async Task Event_OfAnotherType_IsPoison() => Assert.Equal(400, await PostAsync(Report, type: "dev.prewarm.wake.requested"));

    [Fact]
    public async Task Event_WithoutTheToken_Is401() => Assert.Equal(401, await PostAsync(Report, token: "secret"));

    [Fact]
    public async Task Event_BeforeTheCatalog_ComesAgain() => Assert.Equal(503, await PostAsync(Report, synced: false));

    [Fact]
    public void SessionGaps_QuietTimes_AreThoseBetweenSessions() =>
        Assert.Equal([3540.0], Arrivals.SessionGaps([new(0, 2, 0, 30, 0, 0), new(1, 1, 0, 30, 0, 0), new(60, 1, 30, 40, 0, 0)]));

    [Fact]
    public void Recent_ManyMinutes_AreBounded()
    {
        for (var i = 0; i < 2000; i++)
        {
            _arrivals.Add(new("a", "b"), new(i, 1, 0, 0, 0, 0));
        }

        Assert.Equal(Enumerable.Range(2000 - Arrivals.Remembered, Arrivals.Remembered).Select(i => (long)i), _arrivals.Recent(new("a", "b")).Select(m => m.At));
    }

    private async Task<int> PostAsync(string data, string id = "1", string type = TrafficReport.Type, string? token = null, bool synced = true)
    {
        var catalog = new CatalogFake(RelayRouterTests.Model("default", "bloom")) { Synced = synced ? Task.CompletedTask : new TaskCompletionSource().Task };
        var time = new FakeTimeProvider();
        var desk = new EventDesk(new EventToken(token), new LineFake(), catalog, new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<EventDesk>.Instance);
        var function = new TrafficObservedFunction(desk, catalog, _arrivals, _seen, TimeProvider.System);
        var context = PostedEvent.Of(type, data, id, "/prewarm/relay");
        var answer = function.RunAsync(context.Request, default);
        if (!synced)
        {
            Assert.False(answer.IsCompleted);
            time.Advance(EventDesk.SyncLimit);
        }

        await (await answer).ExecuteAsync(context);
        return context.Response.StatusCode;
    }
}
