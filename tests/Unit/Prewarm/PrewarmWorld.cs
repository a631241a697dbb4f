using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>
/// Whole prewarmers on the sandbox's API server with a clock of their own; the test plays the rest of the cluster, a step at a time: the line and Fluid obey the marks and load, Knative follows min-scale, clients call.
/// </summary>
internal sealed class PrewarmWorld(PrewarmOptions? options = null) : IAsyncDisposable
{
    public const string Namespace = "team";

    /// <summary>Midnight of a Monday not long ago: the API server's certificate is made at this time, and clients look at the machine's clock.</summary>
    public static readonly DateTimeOffset Begin = Monday(TimeProvider.System.GetUtcNow());

    private readonly ApiWorld _world = new(TimeSpan.FromMinutes(3));
    private readonly Dictionary<string, ServedModel> _models = new(StringComparer.Ordinal);

    public JumpingTime Time { get; } = new(Begin);

    /// <summary>What the machine's clock is wrong by.</summary>
    public TimeSpan Offset { set => Time.Offset = value; }

    public PrewarmOptions Options { get; } = options ?? new() { StateNamespace = "default" };

    public KubeApi Api => _world.Api;

    public CancellationToken Deadline => _world.Deadline;

    /// <summary>Requests of all prewarmers that changed something, as <c>PATCH cachedmodels/status</c>.</summary>
    public ConcurrentQueue<string> Writes { get; } = new();

    /// <summary>Requests of a prewarmer that the API server refuses.</summary>
    public Func<HttpRequestMessage, bool>? Refuse { get; set; }

    /// <summary>Requests that a prewarmer sent to the gateway.</summary>
    public int Knocks => _knocks;

    /// <summary>GB (10^9 bytes) of the caches that have workers, at the end of each step.</summary>
    public double Gigabytes => _models.Values.Where(m => m.Workers).Sum(m => m.Gigabytes * (m.More ?? 1));

    private int _knocks;

    public ServedModel this[string name] => _models[name];

    public DateTimeOffset Now => Time.GetUtcNow();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    public async Task StartAsync()
    {
        await _world.StartAsync(new() { Time = Time });
        await _world.Api.CreateAsync(Kinds.Namespaces, null, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, Deadline);
    }

    /// <summary>A model at zero whose one version is served from a warm cache.</summary>
    public async Task ServeAsync(string name, string prewarm, double gigabytes = 10, string? maxScale = null)
    {
        var revision = name + "-predictor-00001";
        foreach (var type in (ResourceType<JsonObject>[])[Kinds.Revisions, Kinds.PodAutoscalers])
        {
            var annotations = maxScale is null ? new JsonObject() : new JsonObject { [PrewarmHold.MaxScale] = maxScale };
            await Api.CreateAsync(type, Namespace, new() { ["apiVersion"] = type.ApiVersion, ["kind"] = type.Kind, ["metadata"] = new JsonObject { ["name"] = revision, ["annotations"] = annotations }, ["spec"] = new JsonObject() }, Deadline);
        }

        await Api.CreateAsync(Kinds.CachedModels, Namespace, new()
        {
            ["apiVersion"] = Kinds.CachedModels.ApiVersion,
            ["kind"] = "CachedModel",
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject { ["source"] = new JsonObject { ["uri"] = $"oss://b/{name}", ["endpoint"] = "e" }, ["cache"] = new JsonObject { ["replicas"] = 1 }, ["prewarm"] = JsonNode.Parse(prewarm) },
        }, Deadline);
        await StatusAsync(Kinds.PodAutoscalers, revision, """{"actualScale":0,"conditions":[]}""");
        var model = new ServedModel(name, gigabytes) { Workers = true, Loaded = true };
        _models[name] = model;
        await ToldAsync(model);
    }

    public async Task DeleteAsync(string name)
    {
        await Api.DeleteAsync(Kinds.CachedModels, Namespace, name, null, now: true, Deadline);
        _models.Remove(name);
    }

    /// <summary>A prewarmer that has just been started, in a process of its own.</summary>
    public PrewarmProcess Start(PrewarmOptions? other = null) => new(this, other ?? Options);

    /// <summary>So many steps of a length: the prewarmers tick, the cluster does what it is asked, the time passes.</summary>
    public async Task StepAsync(TimeSpan length, int steps, params PrewarmProcess[] prewarmers)
    {
        for (var i = 0; i < steps; i++)
        {
            foreach (var prewarmer in prewarmers)
            {
                await prewarmer.TickAsync();
            }

            await PlayAsync();
            Time.Advance(length);
        }
    }

    public async Task<PrewarmStatus> StatusAsync(string name) => (await Api.GetAsync(PrewarmKinds.Models, Namespace, name, Deadline))?.Status?.Prewarm ?? new();

    public async Task<CatalogSnapshot> CatalogAsync() => new((await Api.ListAsync(CatalogKinds.CachedModels, null, null, Deadline)).Items);

    public async Task SpecAsync(string name, string prewarm) =>
        await Api.MergePatchAsync(Kinds.CachedModels, Namespace, name, new JsonObject { ["spec"] = new JsonObject { ["prewarm"] = JsonNode.Parse(prewarm) } }.ToJsonString(), null, Deadline);

    public KubeApi Counted() => new(new HttpClient(new Counting(_world.Http(), Writes, r => Refuse?.Invoke(r) == true)) { BaseAddress = _world.Http().BaseAddress });

    public HttpClient Gateway() => new(new Door(() => Interlocked.Increment(ref _knocks)));

    /// <summary>The rest of the cluster.</summary>
    private async Task PlayAsync()
    {
        var loads = (await Api.ListAsync(Kinds.DataLoads, Namespace, null, Deadline)).Items;
        foreach (var seen in (await Api.ListAsync(CatalogKinds.CachedModels, Namespace, null, Deadline)).Items)
        {
            var model = _models[seen.Metadata.Name!];
            var revision = model.Name + "-predictor-00001";
            // Knative: pods a step after they are asked for, by min-scale or by callers.
            var held = int.TryParse((await Api.GetAsync(Kinds.Revisions, Namespace, revision, Deadline)).Text("metadata", "annotations", PrewarmHold.MinScale), out var min) ? min : 0;
            var pods = Math.Max(held, model.Called ? 1 : 0);
            if (pods != model.Pods)
            {
                model.Pods = pods;
                await StatusAsync(Kinds.PodAutoscalers, revision, $$"""{"actualScale":{{pods}}}""");
            }

            // The line and Fluid.
            var mark = CacheMark.Of(seen);
            // The line leaves alone what a person has paused.
            var gone = seen.Metadata.Annotations?.GetValueOrDefault("prewarm.dev/paused") == "true" ? !model.Workers : mark.Gone(Now);
            var mine = loads.Where(l => l.Text("metadata", "labels", Ownership.ModelLabel) == model.Name && l.Text("status", "phase") is not ("Complete" or "Failed")).ToList();
            foreach (var load in mine)
            {
                if (Now - DateTimeOffset.Parse(load.Text("metadata", "creationTimestamp")!, CultureInfo.InvariantCulture) < model.LoadTakes)
                {
                    continue;
                }

                var result = model.LoadsFail ? "Failed" : "Complete";
                model.Loads++;
                model.Loaded |= !gone && !model.LoadsFail;
                await StatusAsync(Kinds.DataLoads, load.Text("metadata", "name")!, $$"""{"phase":"{{result}}","duration":"10s","conditions":[]}""");
            }

            if (gone == model.Workers || mine.Count > 0)
            {
                (model.Workers, model.Loaded, model.More) = (!gone, model.Loaded && !gone, gone || model.Workers ? model.More : mark.Workers);
                await ToldAsync(model);
            }
        }
    }

    private static DateTimeOffset Monday(DateTimeOffset now) => new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero).AddDays(-(((int)now.UtcDateTime.DayOfWeek + 6) % 7));

    private Task ToldAsync(ServedModel model)
    {
        const string digest = "0123456789abcdef0123456789abcdef";
        return StatusAsync(Kinds.CachedModels, model.Name, $$"""
            {"url":"http://{{model.Name}}.example.com",
             "versions":[{"name":"v1","digest":"{{digest}}","bytes":{{(long)(model.Gigabytes * 1e9)}},"state":"Serving","dataset":"{{FluidNames.Dataset(model.Name, digest)}}","path":"/{{model.Name}}",
                          "revision":"{{model.Name}}-predictor-00001","workers":{{(model.More is { } more ? more : "null")}} }],
             "locality":{"verdict":"{{(model.Loaded ? "Local" : "Cold")}}","reason":"Played","workers":{{(model.Workers ? model.More ?? 1 : 0)}} } }
            """);
    }

    private Task StatusAsync(ResourceType<JsonObject> type, string name, string status) => Api.MergePatchAsync(type, Namespace, name, $$"""{"status":{{status}}}""", "status", Deadline);

    private sealed class Counting(HttpClient inner, ConcurrentQueue<string> writes, Func<HttpRequestMessage, bool> refused) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (refused(request))
            {
                return new(HttpStatusCode.Forbidden) { Content = new StringContent("""{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no","code":403}""") };
            }

            if (request.Method != HttpMethod.Get)
            {
                var path = request.RequestUri!.AbsolutePath.Split('/');
                writes.Enqueue($"{request.Method} {string.Join('/', path.SkipWhile(p => p is not ("cachedmodels" or "configmaps" or "revisions" or "podautoscalers" or "dataloads")))}");
            }

            var copy = new HttpRequestMessage(request.Method, request.RequestUri) { Content = request.Content };
            foreach (var header in request.Headers)
            {
                copy.Headers.TryAddWithoutValidation(header.Key, header.Value);
            }

            return await inner.SendAsync(copy, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
    }

    private sealed class Door(Action knocked) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Assert.True(request.Headers.Contains(FrontDoor.Mark));
            knocked();
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
        }
    }
}
