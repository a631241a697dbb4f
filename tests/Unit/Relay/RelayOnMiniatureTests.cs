using System.Net;
using Prewarm.Functions.Scale;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>The relay on the miniature cluster: counted at its gateway and at its models.</summary>
public sealed class RelayOnMiniatureTests : IAsyncLifetime
{
    private readonly MiniatureRelay _mini = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _mini.DisposeAsync();

    [Fact]
    public async Task FiveHundredAtZero_OneWakeAtTheGateway_NoneFails_EachIsExecutedOnce()
    {
        await _mini.StartAsync();
        await _mini.AtZeroAsync();
        var (starts, executions) = (_mini.Starts, _mini.Executions);
        var answers = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => _mini.PredictAsync()));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.Equal((1, 500, 500), (_mini.Tally.Wakes, _mini.Tally.Predictions, _mini.Executions - executions));
        Assert.True(_mini.Starts > starts, "no pod was started");
        Assert.Contains(answers, a => a.Headers.Contains("X-Cold-Start"));
        Assert.Equal(0, _mini.Relay.Holds.Totals.Count);
    }

    [Fact]
    public async Task Gateway504AfterTheModelHasBegun_IsPassedOn_AndExecutedOnce()
    {
        await _mini.StartAsync();
        await _mini.AtZeroAsync();
        var executions = _mini.Executions;
        foreach (var (set, status) in new (Action<double>, HttpStatusCode)[]
        {
            (v => _mini.World.Faults.Gateway504 = v, HttpStatusCode.GatewayTimeout),
            (v => (_mini.World.Faults.Pod503, _mini.World.Faults.Retries) = (v, 0), HttpStatusCode.ServiceUnavailable),
        })
        {
            // The readiness request passes first, and only the prediction meets the fault.
            using (var up = await _mini.PredictAsync())
            {
                Assert.Equal(HttpStatusCode.OK, up.StatusCode);
            }

            executions++;
            set(1);
            using var answer = await _mini.PredictAsync();
            Assert.Equal((status, ++executions), (answer.StatusCode, _mini.Executions));
            set(0);
        }
    }

    [Fact]
    public async Task GatewayThatResetsInTheMiddle_PassesTheErrorOn_AndTheModelIsAskedOnce()
    {
        await _mini.StartAsync(scaleToZero: 3600);
        _mini.World.Faults.Reset = 1;
        var executions = _mini.Executions;
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            using var answer = await _mini.PredictAsync();
            Assert.False(answer.IsSuccessStatusCode && (await answer.Content.ReadAsStringAsync()).EndsWith('}'), "the whole answer came");
            throw new HttpRequestException(answer.StatusCode.ToString());
        });
        Assert.Equal(executions + 1, _mini.Executions);
    }

    [Fact]
    public async Task QueueFullAndModelsThatAreNotReadyYet_CostTimeAndNoAnswer()
    {
        await _mini.StartAsync();
        await _mini.AtZeroAsync();
        var executions = _mini.Executions;
        (_mini.World.Faults.QueueFull, _mini.World.Faults.NotReady) = (0.2, 0.2);
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => _mini.PredictAsync()));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.Equal(60, _mini.Executions - executions);
    }

    [Fact]
    public async Task PodThatNeverBecomesReady_EachCallerIsToldByItsOwnDeadline()
    {
        await _mini.StartAsync();
        await _mini.AtZeroAsync();
        // Its volume is gone: the pod waits for it for ever.
        await _mini.World.Api.DeleteAsync(Kinds.Datasets, "default", "good", null, true, _mini.World.Deadline);
        await _mini.World.UntilAsync(async () => await _mini.World.Api.GetAsync(Kinds.Datasets, "default", "good", _mini.World.Deadline) is null);
        var answers = await Task.WhenAll(Enumerable.Range(1, 30).Select(async i =>
        {
            var began = TimeProvider.System.GetTimestamp();
            using var answer = await _mini.PredictAsync(default, ("X-Request-Timeout-Ms", (i * 50 + 300).ToString(System.Globalization.CultureInfo.InvariantCulture)));
            return (answer.StatusCode, Retry: answer.Headers.Contains("Retry-After"), Took: TimeProvider.System.GetElapsedTime(began).TotalSeconds, Limit: i * 0.05 + 0.3);
        }));
        Assert.All(answers, a => Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (a.StatusCode, a.Retry)));
        Assert.All(answers, a => Assert.InRange(a.Took, a.Limit - 0.02, a.Limit + 3));
        Assert.Equal((0, 0L), (_mini.Relay.Holds.Totals.Count, _mini.Relay.Holds.Totals.Bytes));
    }

    [Fact]
    public Task RequestsAtTheScaleDownEdge_30Times_NoneIsLost() => EdgeAsync(30);

    /// <summary>The same a thousand times: some minutes.</summary>
    [Fact(Explicit = true)]
    public Task RequestsAtTheScaleDownEdge_1000Times_NoneIsLost() => EdgeAsync(1000);

    [Fact]
    public async Task ApiServerAway_TheRelayGoesOnWithWhatItKnows_AndWakesAllTheSame()
    {
        await _mini.StartAsync();
        await _mini.AtZeroAsync();
        _mini.ApiLine.Cut();
        // It believes the model at zero all the time.
        for (var i = 0; i < 10; i++)
        {
            using var answer = await _mini.PredictAsync();
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.Equal(1, _mini.Tally.Wakes);
        // And now it sleeps again, which the relay does not hear.
        await _mini.World.UntilAsync(async () => (await _mini.World.Api.ListAsync(Kinds.Pods, "default", "serving.knative.dev/revision", _mini.World.Deadline)).Items.Count == 0);
        using (var answer = await _mini.PredictAsync())
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        _mini.ApiLine.Mend();
        // Asked again and again: it must not sleep before the relay hears that it is up.
        await _mini.World.UntilAsync(async () =>
        {
            using var answer = await _mini.PredictAsync();
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return _mini.View.Of(new("default", "bloom")).Level == ScaleLevel.Up;
        });
        await _mini.AtZeroAsync();
        using var last = await _mini.PredictAsync();
        Assert.Equal(HttpStatusCode.OK, last.StatusCode);
    }

    /// <summary>Requests come about when the last pod is let go, until that has happened so often.</summary>
    private async Task EdgeAsync(int edges)
    {
        await _mini.StartAsync(scaleToZero: 0.05, look: TimeSpan.FromMilliseconds(10));
        var (first, random, asked) = (_mini.Starts, new Random(7), 0);
        while (_mini.Starts - first < edges)
        {
            using var answer = await _mini.PredictAsync();
            asked++;
            Assert.True(answer.StatusCode == HttpStatusCode.OK, $"request {asked}, after {_mini.Starts - first} scale-downs: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            await Task.Delay(TimeSpan.FromMilliseconds(40 + random.NextDouble() * 50), TimeProvider.System);
        }

        Assert.Equal(asked, _mini.Executions);
    }
}
