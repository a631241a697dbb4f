using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Pipeline;
using Prewarm.Tests.Unit.Events;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

public sealed class EventDeskTests : IDisposable
{
    private const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private const string Other = "00-11111111111111111111111111111111-2222222222222222-01";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private readonly LineFake _line = new();
    private readonly FakeTimeProvider _time = new();
    private readonly Lifetime _lifetime = new();
    private readonly ModelKey _model = new("demo", "bloom");

    public void Dispose() => _lifetime.Dispose();

    [Theory]
    [InlineData(nameof(LineOutcome.Settled), 202)]
    [InlineData(nameof(LineOutcome.Gone), 202)]
    [InlineData(nameof(LineOutcome.Transient), 503)]
    public async Task Handle_Outcome_AnswersAsSendersNeedIt(string outcome, int expected)
    {
        _line.Answer = _ => Task.FromResult(Enum.Parse<LineOutcome>(outcome));
        var (status, response) = await PostAsync(Event());
        Assert.Equal(expected, status);
        Assert.Equal(expected == 503, response.Headers.ContainsKey("Retry-After"));
    }

    [Fact]
    public async Task Handle_Poison_400AndNoLook()
    {
        Assert.Equal(400, (await PostAsync(Event(), concerned: _ => null)).Status);
        Assert.Empty(_line.Looks);
    }

    [Theory]
    [InlineData(Trace, Other, Trace)]
    [InlineData(null, Trace, Trace)]
    [InlineData(null, "garbage", null)]
    [InlineData("garbage", null, null)]
    public async Task Handle_TraceParent_TheEventsOwnBeforeTheRequests(string? inEvent, string? inRequest, string? expected)
    {
        await PostAsync(Event(inEvent), inRequest);
        Assert.Equal([(_model, expected)], _line.Looks);
    }

    [Fact]
    public async Task Handle_LookTakesLongerThanSendersWait_AcceptedAndTheLookGoesOn()
    {
        var look = new TaskCompletionSource<LineOutcome>();
        _line.Answer = _ => look.Task;
        var answer = PostAsync(Event());
        Assert.False(answer.IsCompleted);
        _time.Advance(EventDesk.LookLimit);
        Assert.Equal(202, (await answer.WaitAsync(Deadline)).Status);
        Assert.False(look.Task.IsCompleted);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Handle_CatalogUnread_503AtTheLimitOrWhenTheProcessEnds(bool stopping)
    {
        var answer = PostAsync(Event(), catalog: new CatalogFake { Synced = new TaskCompletionSource().Task });
        if (stopping)
        {
            _lifetime.StopApplication();
        }
        else
        {
            _time.Advance(EventDesk.SyncLimit);
        }

        Assert.Equal(503, (await answer.WaitAsync(Deadline)).Status);
        Assert.Empty(_line.Looks);
    }

    [Fact]
    public async Task Handle_ProcessEndsDuringALook_503()
    {
        _line.Answer = _ => new TaskCompletionSource<LineOutcome>().Task;
        var answer = PostAsync(Event());
        _lifetime.StopApplication();
        Assert.Equal(503, (await answer.WaitAsync(Deadline)).Status);
    }

    private static string Event(string? traceparent = null) =>
        $$"""{"specversion":"1.0","id":"1","source":"s","type":"t"{{(traceparent is null ? "" : $",\"traceparent\":\"{traceparent}\"")}}}""";

    private async Task<(int Status, HttpResponse Response)> PostAsync(
        string body, string? traceparent = null, Func<CloudNative.CloudEvents.CloudEvent, IEnumerable<ModelKey>?>? concerned = null, CatalogFake? catalog = null)
    {
        var context = PostedEvent.Raw(body);
        if (traceparent is not null)
        {
            context.Request.Headers.TraceParent = traceparent;
        }

        var desk = new EventDesk(new(null), _line, catalog ?? new CatalogFake(), _lifetime, _time, NullLogger<EventDesk>.Instance);
        var result = await desk.HandleAsync(context.Request, "test", true, concerned ?? (_ => [_model]), CancellationToken.None);
        await result.ExecuteAsync(context);
        return (context.Response.StatusCode, context.Response);
    }

    private sealed class Lifetime : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public CancellationToken ApplicationStarted => CancellationToken.None;
        public CancellationToken ApplicationStopping => _stopping.Token;
        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication() => _stopping.Cancel();

        public void Dispose() => _stopping.Dispose();
    }
}
