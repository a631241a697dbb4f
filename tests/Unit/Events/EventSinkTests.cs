using System.Net;
using Prewarm.Functions.Events;
using Xunit;

namespace Prewarm.Tests.Unit.Events;

public sealed class EventSinkTests : IDisposable
{
    private static readonly EventHead s_head = new("1", "/relay", "dev.prewarm.wake.requested", "ns/model");
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task Send_WithAToken_SaysWhoItIs_AndReadsItAnewForEachTry()
    {
        await File.WriteAllTextAsync(_file, "first\n", TestContext.Current.CancellationToken);
        var broker = new Broker(async () => await File.WriteAllTextAsync(_file, "second"), HttpStatusCode.ServiceUnavailable, HttpStatusCode.Accepted);
        Assert.Null(await SendAsync(broker, _file));
        Assert.Equal(["Bearer first", "Bearer second"], broker.Authorizations);
    }

    [Fact]
    public async Task Send_WithoutAToken_SaysNothing()
    {
        var broker = new Broker(() => Task.CompletedTask, HttpStatusCode.Accepted);
        Assert.Null(await SendAsync(broker, null));
        Assert.Equal([""], broker.Authorizations);
    }

    [Fact]
    public async Task Send_TokenCannotBeRead_IsAProblem_AndNothingIsSent()
    {
        var broker = new Broker(() => Task.CompletedTask, HttpStatusCode.Accepted);
        Assert.Contains("no-such-file", await SendAsync(broker, "/no-such-file"), StringComparison.Ordinal);
        Assert.Empty(broker.Authorizations);
    }

    private static async Task<string?> SendAsync(Broker broker, string? tokenFile)
    {
        using var http = new HttpClient(broker);
        return await new EventSink(http, TimeProvider.System, tokenFile).SendAsync(new("http://broker.test/"), s_head, "{}"u8.ToArray(), TestContext.Current.CancellationToken);
    }

    private sealed class Broker(Func<Task> asked, params HttpStatusCode[] answers) : HttpMessageHandler
    {
        public List<string> Authorizations { get; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Authorizations.Add(request.Headers.Authorization?.ToString() ?? "");
            await asked();
            return new(answers[Authorizations.Count - 1]);
        }
    }
}
