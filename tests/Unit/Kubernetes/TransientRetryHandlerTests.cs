using System.Net;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Kubernetes;
using Xunit;

namespace Prewarm.Tests.Unit.Kubernetes;

public sealed class TransientRetryHandlerTests
{
    [Theory]
    [InlineData("GET", 500, 3)]
    [InlineData("PATCH", 503, 3)]
    [InlineData("DELETE", 429, 3)]
    [InlineData("POST", 429, 3)]
    [InlineData("POST", 500, 1)]
    [InlineData("PUT", 500, 1)]
    [InlineData("PATCH", 409, 1)]
    [InlineData("GET", 404, 1)]
    [InlineData("GET", 410, 1)]
    public async Task Failure_IsTriedAgain_OnlyWhereTwiceIsAsGoodAsOnce(string method, int status, int requests)
    {
        var (answer, sent) = await SendAsync(method, _ => new((HttpStatusCode)status));
        Assert.Equal((status, requests), ((int)answer!.StatusCode, sent));
    }

    [Fact]
    public async Task SecondAnswer_IsTheAnswer()
    {
        var (answer, sent) = await SendAsync("PATCH", attempt => attempt == 1 ? throw new HttpRequestException("broken") : new(HttpStatusCode.OK));
        Assert.Equal((HttpStatusCode.OK, 2), (answer!.StatusCode, sent));
    }

    [Fact]
    public async Task BrokenConnection_OfACreate_IsNotTriedAgain() =>
        await Assert.ThrowsAsync<HttpRequestException>(() => SendAsync("POST", _ => throw new HttpRequestException("broken")));

    private static async Task<(HttpResponseMessage? Answer, int Sent)> SendAsync(string method, Func<int, HttpResponseMessage> answer)
    {
        var time = new FakeTimeProvider { AutoAdvanceAmount = TimeSpan.FromSeconds(1) };
        var server = new Server(answer);
        using var invoker = new HttpMessageInvoker(new TransientRetryHandler(time) { InnerHandler = server });
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://127.0.0.1/x") { Content = new StringContent("{}") };
        var sending = invoker.SendAsync(request, CancellationToken.None);
        while (!sending.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(5));
            await Task.Yield();
        }

        return (await sending, server.Sent);
    }

    private sealed class Server(Func<int, HttpResponseMessage> answer) : HttpMessageHandler
    {
        public int Sent { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            await Task.Yield();
            return answer(++Sent);
        }
    }
}
