using System.Net;
using System.Text;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Kubernetes;

public class KubeApiTests
{
    private readonly ScriptedHandler _server = new();

    private KubeApi Api => new(new HttpClient(_server) { BaseAddress = new("https://kubernetes.test") });

    private static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(10)).Token;

    [Fact]
    public async Task Get_NotFound_Null()
    {
        _server.Answer(HttpStatusCode.NotFound, """{"kind":"Status","reason":"NotFound","code":404,"message":"no"}""");
        Assert.Null(await Api.GetAsync(FluidKinds.Datasets, "demo", "d", Deadline));
        Assert.Equal("GET /apis/data.fluid.io/v1alpha1/namespaces/demo/datasets/d", _server.Requests[0]);
    }

    [Fact]
    public async Task List_TwoPages_AllItemsAndTheLastVersion()
    {
        _server.Answer(HttpStatusCode.OK, """{"metadata":{"resourceVersion":"5","continue":"c1"},"items":[{"metadata":{"name":"a"}}]}""");
        _server.Answer(HttpStatusCode.OK, """{"metadata":{"resourceVersion":"6"},"items":[{"metadata":{"name":"b"}}]}""");
        var list = await Api.ListAsync(FluidKinds.Datasets, null, "x=y", Deadline);
        Assert.Equal(["a", "b"], list.Items.Select(i => i.Metadata.Name!));
        Assert.Equal("6", list.ResourceVersion);
        Assert.EndsWith("&labelSelector=x%3Dy&continue=c1", _server.Requests[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Apply_Object_OnlyOurFieldsAndOurManager()
    {
        _server.Answer(HttpStatusCode.OK, """{"metadata":{"name":"bloom"}}""");
        var model = new CachedModel { ApiVersion = "prewarm.dev/v1alpha1", Kind = "CachedModel", Metadata = new() { Name = "bloom" }, Status = new() { Phase = "Serving" } };
        await Api.ApplyAsync(CatalogKinds.CachedModels, "demo", "bloom", model, "prewarm-status", force: true, "status", Deadline);
        Assert.Equal("PATCH /apis/prewarm.dev/v1alpha1/namespaces/demo/cachedmodels/bloom/status?fieldManager=prewarm-status&force=true", _server.Requests[0]);
        Assert.Equal("""{"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"bloom"},"status":{"phase":"Serving"}}""", _server.Bodies[0]);
        Assert.Equal("application/apply-patch+yaml", _server.ContentTypes[0]);
    }

    [Fact]
    public async Task Apply_Conflict_CarriesReasonAndMessage()
    {
        _server.Answer(HttpStatusCode.Conflict, """{"kind":"Status","reason":"Conflict","code":409,"message":"the object has been modified"}""");
        var e = await Assert.ThrowsAsync<KubeApiException>(() => Api.CreateAsync(FluidKinds.Datasets, "demo", new(), Deadline));
        Assert.True(e.IsConflict);
        Assert.Equal("the object has been modified", e.Message);
    }

    [Fact]
    public async Task Delete_AlreadyGone_False()
    {
        _server.Answer(HttpStatusCode.NotFound, "not json");
        Assert.False(await Api.DeleteAsync(FluidKinds.Datasets, "demo", "d", "uid-1", now: true, Deadline));
        Assert.Contains("\"preconditions\":{\"uid\":\"uid-1\"}", _server.Bodies[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reflector_WatchClosedThenGone_ResumesThenListsAgain()
    {
        _server.Answer(HttpStatusCode.OK, """{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a"}}]}""");
        _server.Answer(HttpStatusCode.OK, """
            {"type":"ADDED","object":{"metadata":{"name":"b","resourceVersion":"6"}}}
            {"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}
            """);
        _server.Answer(HttpStatusCode.OK, """{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}""");
        _server.Answer(HttpStatusCode.OK, """{"metadata":{"resourceVersion":"20"},"items":[]}""");
        var reflector = new Reflector<Dataset>(Api, FluidKinds.Datasets, "demo", null, TimeProvider.System, new Random(1));
        var seen = new List<string>();
        await foreach (var delta in reflector.RunAsync(Deadline))
        {
            seen.Add(delta.GetType().Name);
            if (seen.Count == 3)
            {
                break;
            }
        }

        Assert.Equal(["Replace", "Upsert", "Replace"], seen);
        Assert.Contains("resourceVersion=9", _server.Requests[2], StringComparison.Ordinal);
    }

    private sealed class ScriptedHandler : HttpMessageHandler
    {
        private readonly Queue<(HttpStatusCode Status, string Body)> _answers = new();

        public List<string> Requests { get; } = [];
        public List<string> Bodies { get; } = [];
        public List<string?> ContentTypes { get; } = [];

        public void Answer(HttpStatusCode status, string body) => _answers.Enqueue((status, body));

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests.Add($"{request.Method} {request.RequestUri!.PathAndQuery}");
            Bodies.Add(request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken));
            ContentTypes.Add(request.Content?.Headers.ContentType?.MediaType);
            var (status, body) = _answers.Dequeue();
            return new(status) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        }
    }
}
