using System.Net;
using Prewarm.Functions.Rollout;
using Xunit;

namespace Prewarm.Tests.Unit.Rollout;

public class GatewayProverTests
{
    [Theory]
    [InlineData(200, """{"predictions":[1]}""", nameof(GoldenOutcome.Passed))]
    [InlineData(200, """{"predictions":[2]}""", nameof(GoldenOutcome.Failed))]
    [InlineData(200, "no JSON", nameof(GoldenOutcome.Failed))]
    [InlineData(400, """{"error":"the instances are malformed"}""", nameof(GoldenOutcome.Failed))]
    [InlineData(500, "CUDA out of memory", nameof(GoldenOutcome.Failed))]
    [InlineData(404, "", nameof(GoldenOutcome.Failed))]
    [InlineData(400, """{"error":"Model with name bloom is not ready."}""", nameof(GoldenOutcome.Unanswered))]
    [InlineData(429, "", nameof(GoldenOutcome.Unanswered))]
    [InlineData(502, "", nameof(GoldenOutcome.Unanswered))]
    [InlineData(503, "pending request queue full", nameof(GoldenOutcome.Unanswered))]
    [InlineData(504, "upstream request timeout", nameof(GoldenOutcome.Unanswered))]
    public async Task Prove_AnyAnswer_OnlyTheModelsOwnRefuses(int status, string answer, string expected) =>
        Assert.Equal(expected, (await ProveAsync(_ => Task.FromResult(new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(answer) }))).ToString());

    [Fact]
    public async Task Prove_NobodyThere_IsUnanswered() => Assert.Equal(GoldenOutcome.Unanswered, await ProveAsync(_ => throw new HttpRequestException("connection refused")));

    [Fact]
    public async Task Prove_AnswerBreaksOff_IsUnanswered() =>
        Assert.Equal(GoldenOutcome.Unanswered, await ProveAsync(_ => Task.FromResult(new HttpResponseMessage { Content = new StreamContent(new Broken()) })));

    [Fact]
    public async Task Prove_Silence_RefusesWhenItsTimeIsOver() => Assert.Equal(GoldenOutcome.Failed, await ProveAsync(async cancelled =>
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancelled);
        return new();
    }));

    private static async Task<GoldenOutcome> ProveAsync(Func<CancellationToken, Task<HttpResponseMessage>> answer)
    {
        using var http = new HttpClient(new Gateway(answer));
        var prover = new GatewayProver(http, new("http://gateway"), TimeProvider.System);
        var (outcome, message) = await prover.ProveAsync(new("http://latest-bloom.demo.example.com"), "bloom", """{"request":{"instances":[0]},"expect":{"predictions":[1]}}"""u8.ToArray(),
            TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.NotEmpty(message);
        return outcome;
    }

    private sealed class Gateway(Func<CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => answer(cancellationToken);
    }

    private sealed class Broken : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("reset by peer");
    }
}
