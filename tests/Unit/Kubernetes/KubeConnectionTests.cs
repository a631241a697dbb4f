using System.Net;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Kubernetes;

public class KubeConnectionTests
{
    private static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(10)).Token;

    [Fact]
    public async Task TokenFile_RotatedAndAMinuteLater_NewTokenIsSent()
    {
        var path = Path.GetTempFileName();
        try
        {
            var time = new FakeTimeProvider();
            var server = new Server(_ => Json(HttpStatusCode.OK, "{}"));
            using var http = new HttpClient(new TokenFileHandler(path, time) { InnerHandler = server }) { BaseAddress = new("https://kubernetes.test") };
            await File.WriteAllTextAsync(path, "one\n", Deadline);
            (await http.GetAsync(new Uri("/version", UriKind.Relative), Deadline)).Dispose();
            await File.WriteAllTextAsync(path, "two\n", Deadline);
            (await http.GetAsync(new Uri("/version", UriKind.Relative), Deadline)).Dispose();
            time.Advance(TokenFileHandler.ReadEvery);
            (await http.GetAsync(new Uri("/version", UriKind.Relative), Deadline)).Dispose();
            Assert.Equal(["Bearer one", "Bearer one", "Bearer two"], server.Tokens);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("", "(it is empty)")]
    [InlineData("# nothing", "(it is empty)")]
    [InlineData("hello", "(it is no YAML mapping)")]
    [InlineData("this: [is not: yaml\n  - }", "(While parsing a flow sequence")]
    [InlineData("{apiVersion: v1, kind: Config, current-context: nope, clusters: [{name: c, cluster: {server: 'https://a'}}], contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}]}", "(CurrentContext: nope not found")]
    [InlineData("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}]}", "(")]
    [InlineData("{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'https://a'}}]}", "(it names no current-context)")]
    [InlineData("{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: 'https://a', certificate-authority-data: '?'}}], contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}]}", "(a certificate or key in it is no Base64)")]
    public void Kubeconfig_ThatIsBroken_IsOneLineWithFileReasonAndFix(string text, string says)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, text);
            var message = Assert.Throws<InvalidOperationException>(() => KubeApiFactory.CreateHttpClient(path)).Message;
            Assert.StartsWith($"the kubeconfig {path} cannot be used {says}", message, StringComparison.Ordinal);
            Assert.EndsWith("or set KUBECONFIG to another file", message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task TokenFile_RefusedByTheServer_ReadAgainAtOnce()
    {
        var path = Path.GetTempFileName();
        try
        {
            var server = new Server(r => Json(r.Headers.Authorization!.Parameter == "two" ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, "{}"));
            using var http = new HttpClient(new TokenFileHandler(path, new FakeTimeProvider()) { InnerHandler = server }) { BaseAddress = new("https://kubernetes.test") };
            await File.WriteAllTextAsync(path, "one", Deadline);
            using var first = await http.GetAsync(new Uri("/version", UriKind.Relative), Deadline);
            Assert.Equal(HttpStatusCode.Unauthorized, first.StatusCode);
            await File.WriteAllTextAsync(path, "two", Deadline);
            using var second = await http.GetAsync(new Uri("/version", UriKind.Relative), Deadline);
            Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task List_ContinueTokenExpired_OneUnpagedList()
    {
        var paths = new List<string>();
        using var api = Api(r =>
        {
            paths.Add(r.RequestUri!.Query);
            return paths.Count switch
            {
                1 => Json(HttpStatusCode.OK, """{"metadata":{"resourceVersion":"5","continue":"c"},"items":[{"metadata":{"name":"a"}}]}"""),
                2 => Json(HttpStatusCode.Gone, """{"kind":"Status","reason":"Expired","code":410,"message":"too old"}"""),
                _ => Json(HttpStatusCode.OK, """{"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}"""),
            };
        });
        var list = await api.ListAsync(FluidKinds.Datasets, "demo", null, Deadline);
        Assert.Equal(2, list.Items.Count);
        Assert.Equal("9", list.ResourceVersion);
        Assert.Equal(["?limit=500", "?limit=500&continue=c", ""], paths);
    }

    [Fact]
    public async Task Failure_StatusWithRetryAfter_IsCarried()
    {
        using var api = Api(_ => Json(HttpStatusCode.TooManyRequests, """{"kind":"Status","reason":"TooManyRequests","code":429,"message":"slow down","details":{"retryAfterSeconds":7}}"""));
        var e = await Assert.ThrowsAsync<KubeApiException>(() => api.GetAsync(FluidKinds.Datasets, "demo", "d", Deadline));
        Assert.True(e.IsTransient);
        Assert.Equal("TooManyRequests", e.Reason);
        Assert.Equal(TimeSpan.FromSeconds(7), e.RetryAfter);
    }

    [Fact]
    public async Task Delete_NameTakenByAnotherUid_False()
    {
        using var api = Api(_ => Json(HttpStatusCode.Conflict, """{"kind":"Status","reason":"Conflict","code":409,"message":"uid"}"""));
        Assert.False(await api.DeleteAsync(FluidKinds.Datasets, "demo", "d", "uid-1", now: false, Deadline));
    }

    [Fact]
    public async Task Reflector_ListFails_WaitsOnTheClockThenLists()
    {
        var time = new FakeTimeProvider();
        var calls = 0;
        using var api = Api(_ => ++calls == 1
            ? Json(HttpStatusCode.ServiceUnavailable, "busy")
            : Json(HttpStatusCode.OK, """{"metadata":{"resourceVersion":"5"},"items":[]}"""));
        var reflector = new Reflector<Dataset>(api, FluidKinds.Datasets, "demo", null, time, new Random(1));
        await using var deltas = reflector.RunAsync(Deadline).GetAsyncEnumerator(Deadline);

        // Everything up to the wait runs without leaving this thread.
        var first = deltas.MoveNextAsync();
        Assert.False(first.IsCompleted);
        Assert.False(reflector.Healthy);
        Assert.Equal(1, calls);
        time.Advance(new ReflectorOptions().FirstDelay);
        Assert.True(await first);
        Assert.IsType<Delta<Dataset>.Replace>(deltas.Current);
        Assert.True(reflector.Healthy);
    }

    [Theory]
    [InlineData(1, 0, 0.4)]
    [InlineData(1, 1, 0.8)]
    [InlineData(3, 1, 3.2)]
    [InlineData(1000, 1, 30)]
    public void Delay_FailuresInARow_DoublesUpToTheLongest(int failures, double jitter, double seconds) =>
        Assert.Equal(seconds, new ReflectorOptions().Delay(failures, jitter, null).TotalSeconds, 3);

    [Fact]
    public void Delay_ServerAsksForMore_IsGranted() =>
        Assert.Equal(TimeSpan.FromSeconds(60), new ReflectorOptions().Delay(1, 0, TimeSpan.FromSeconds(60)));

    private static KubeApi Api(Func<HttpRequestMessage, HttpResponseMessage> answer) =>
        new(new HttpClient(new Server(answer)) { BaseAddress = new("https://kubernetes.test") });

    private static HttpResponseMessage Json(HttpStatusCode status, string body) =>
        new(status) { Content = new StringContent(body, Encoding.UTF8, "application/json") };

    private sealed class Server(Func<HttpRequestMessage, HttpResponseMessage> answer) : HttpMessageHandler
    {
        public List<string?> Tokens { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Tokens.Add(request.Headers.Authorization?.ToString());
            return Task.FromResult(answer(request));
        }
    }
}
