using System.Text;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Scale;
using Prewarm.Tests.Unit.Events;
using Prewarm.Tests.Unit.Pipeline;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

/// <summary>What a sender of PodAutoscalers is answered.</summary>
public sealed class ScaleSignalledTests
{
    private const string Update = "dev.knative.apiserver.resource.update";

    [Theory]
    [InlineData(Update, """{"kind":"PodAutoscaler","metadata":{"name":"pa","namespace":"ns","uid":"u","resourceVersion":"1"},"status":{"desiredScale":0}}""", 202)]
    [InlineData(Update, """{"kind":"PodAutoscaler","metadata":{"name":"pa","uid":"u"},"status":{"conditions":[{"type":"Active","status":"Unknown","reason":"Queued","lastTransitionTime":"2026-11-24T00:00:00Z"}]}}""", 202)]
    [InlineData("dev.knative.apiserver.ref.update", """{"kind":"PodAutoscaler","name":"pa","namespace":"ns"}""", 202)]
    [InlineData(Update, """{"kind":"Revision","metadata":{"name":"r"},"status":{}}""", 202)]
    [InlineData("dev.knative.apiserver.resource.delete", """{"kind":"PodAutoscaler","metadata":{"name":"pa","uid":"u"},"status":{"conditions":"gone"}}""", 202)]
    [InlineData("dev.prewarm.wake.requested", """{"kind":"PodAutoscaler"}""", 400)]
    [InlineData(Update, "[]", 400)]
    [InlineData(Update, """{"kind":"PodAutoscaler","metadata":{"name":"pa","uid":"u"},"status":{"desiredScale":"one"}}""", 400)]
    [InlineData(Update, """{"kind":"PodAutoscaler","metadata":{"name":"pa","uid":"u"},"status":{"conditions":[{"lastTransitionTime":"yesterday"}]}}""", 400)]
    public async Task Event_AsSendersNeedIt(string type, string data, int status)
    {
        var (answered, text) = await PostAsync(type, data);
        Assert.Equal((status, status == 400), (answered, text.Contains("event 1 ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Event_WithoutTheToken_Is401() => Assert.Equal(401, (await PostAsync(Update, "{}", token: "secret")).Status);

    [Fact]
    public async Task Event_BeforeTheCatalog_ComesAgain() => Assert.Equal(503, (await PostAsync(Update, "{}", synced: false)).Status);

    private static async Task<(int Status, string Text)> PostAsync(string type, string data, string? token = null, bool synced = true)
    {
        var time = new FakeTimeProvider();
        var lifetime = new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance);
        var catalog = new CatalogFake { Synced = synced ? Task.CompletedTask : new TaskCompletionSource().Task };
        // No model is known: nothing is asked of the API server.
        using var api = new KubeApi(new HttpClient { BaseAddress = new("http://nowhere.invalid") });
        var board = new ScaleBoard(time);
        var activations = new Activations(board, new(board, new(api, time, NullLogger<ActivationWriter>.Instance), new(api, time, NullLogger<WakeLoads>.Instance), time, NullLogger<ActivationRun>.Instance),
            lifetime, time, NullLogger<Activations>.Instance);
        var function = new ScaleSignalledFunction(new(new(token), new LineFake(), catalog, lifetime, time, NullLogger<EventDesk>.Instance), activations);
        var context = PostedEvent.Of(type, data);
        var answer = function.RunAsync(context.Request, CancellationToken.None);
        if (!synced)
        {
            Assert.False(answer.IsCompleted);
            time.Advance(EventDesk.SyncLimit);
        }

        await (await answer).ExecuteAsync(context);
        return (context.Response.StatusCode, Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray()));
    }
}
