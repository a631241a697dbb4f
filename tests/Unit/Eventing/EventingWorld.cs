using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;
using Prewarm.Tests.Unit.ApiServer;

namespace Prewarm.Tests.Unit.Eventing;

/// <summary>The sandbox's API server, the miniature Knative Eventing on it, and one subscriber.</summary>
internal sealed class EventingWorld : IAsyncDisposable
{
    private readonly ApiWorld _world = new();
    private readonly HttpClient _http = new();

    public KubeApi Api => _world.Api;

    public CancellationToken Deadline => _world.Deadline;

    public EventReceiver Receiver { get; private set; } = null!;

    public EventingControllers Eventing { get; private set; } = null!;

    public ConcurrentQueue<string> Log { get; } = new();

    public async ValueTask StartAsync(EventingOptions? options = null)
    {
        await _world.StartAsync();
        Receiver = await EventReceiver.StartAsync();
        Eventing = new(Api, (ns, name) => name == "receiver" ? Receiver.Address : null, TimeProvider.System,
            (options ?? new()) with { Log = Log.Enqueue, PingJitter = TimeSpan.Zero });
        await Eventing.StartAsync(Deadline);
    }

    public async Task<JsonObject> CreateAsync(ResourceType<JsonObject> type, string name, JsonObject spec, string ns = "default", JsonObject? labels = null) =>
        await Api.CreateAsync(type, ns, new()
        {
            ["apiVersion"] = type.ApiVersion,
            ["kind"] = type.Kind,
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = ns, ["labels"] = labels },
            ["spec"] = spec,
        }, Deadline);

    /// <summary>Applies and waits until it is ready.</summary>
    public async Task<JsonObject> ReadyAsync(ResourceType<JsonObject> type, string name, JsonObject spec)
    {
        await CreateAsync(type, name, spec);
        return await UntilReadyAsync(type, name);
    }

    public async Task<JsonObject> UntilReadyAsync(ResourceType<JsonObject> type, string name, string status = "True", string ns = "default")
    {
        JsonObject? seen = null;
        await UntilAsync(async () =>
        {
            seen = await Api.GetAsync(type, ns, name, Deadline);
            return Condition(seen, "Ready").Text("status") == status && seen.Text("status", "observedGeneration") == seen.Text("metadata", "generation");
        });
        return seen!;
    }

    public static JsonObject? Condition(JsonNode? obj, string type) => obj.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == type);

    /// <summary>A broker, and a trigger of all its events to <paramref name="path"/>; returns where to post.</summary>
    public async Task<Uri> BrokerAsync(JsonObject? delivery = null, JsonArray? filters = null, string path = "/events")
    {
        var broker = await ReadyAsync(EventingKinds.Brokers, "b", delivery is null ? [] : new() { ["delivery"] = delivery });
        var trigger = new JsonObject { ["broker"] = "b", ["subscriber"] = new JsonObject { ["uri"] = Receiver.At(path).ToString() } };
        if (filters is not null)
        {
            trigger["filters"] = filters;
        }

        await ReadyAsync(EventingKinds.Triggers, "t", trigger);
        return new(broker.Text("status", "address", "url")!);
    }

    /// <summary>Posts a binary event; further attributes and headers as given.</summary>
    public async Task<int> PostAsync(Uri to, string id, string type = "some.thing", string body = "{}", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, to) { Content = new StringContent(body, Encoding.UTF8, MediaTypeHeaderValue.Parse("application/json")) };
        foreach (var (name, value) in ((string, string)[])[("ce-specversion", "1.0"), ("ce-id", id), ("ce-type", type), ("ce-source", "/test"), .. headers])
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await SendAsync(request);
    }

    public async Task<int> SendAsync(HttpRequestMessage request)
    {
        using var response = await _http.SendAsync(request, Deadline);
        return (int)response.StatusCode;
    }

    public Task UntilAsync(Func<bool> condition) => _world.UntilAsync(condition);

    public Task UntilAsync(Func<Task<bool>> condition) => _world.UntilAsync(condition);

    public async ValueTask DisposeAsync()
    {
        await Eventing.DisposeAsync();
        await Receiver.DisposeAsync();
        await _world.DisposeAsync();
        _http.Dispose();
    }
}
