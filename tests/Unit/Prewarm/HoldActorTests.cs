using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Holds on objects of the sandbox's API server; nothing reconciles there, as under a Knative that does not follow.</summary>
public sealed class HoldActorTests : IAsyncDisposable
{
    private const string Name = "bloom-predictor-00001";
    private static readonly DateTimeOffset s_now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private readonly ApiWorld _world = new();
    private readonly FakeTimeProvider _time = new(s_now);
    private readonly HttpClient _http = new(new Refusing());
    private readonly CachedModel _model = RelayRouterTests.Model("default", "bloom");
    private readonly List<PrewarmStatus> _told = [];

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _world.DisposeAsync();
    }

    [Fact]
    public async Task Hold_KnativeThatDoesNotFollow_IsWrittenOnThePodAutoscalerToo_AndBothAreTakenBack()
    {
        var actor = await StartAsync(minScale: "1");
        var plan = new PrewarmPlan(3, s_now.AddHours(1), true, "window");
        var status = await HoldAsync(actor, plan, new());
        Assert.Equal((3, 360.0), (status.Pods, status.PodSeconds));
        Assert.Equal(("3", null), (await MinScaleAsync("revisions"), await MinScaleAsync("podautoscalers")));
        _time.Advance(TimeSpan.FromSeconds(10));
        status = await HoldAsync(actor, plan, status);
        Assert.Equal(("3", "3"), (await MinScaleAsync("revisions"), await MinScaleAsync("podautoscalers")));
        // Not renewed and not charged before half of it is over.
        Assert.Single(_told);
        // Its maker is dead: another process finds it run out.
        _time.Advance(TimeSpan.FromMinutes(3));
        await Actor().ReapAsync(null, Catalog(), _time.GetUtcNow(), _world.Deadline);
        Assert.Equal(("1", null), (await MinScaleAsync("revisions"), await MinScaleAsync("podautoscalers")));
        Assert.Null((await _world.Api.GetAsync(Kinds.Revisions, "default", Name, _world.Deadline)).At("metadata", "labels", PrewarmHold.Label));
    }

    [Fact]
    public async Task Hold_BudgetOfTheDay_EndsItAndIsNeverOverdrawn()
    {
        var actor = await StartAsync(minScale: null);
        _model.Spec!.Prewarm.Budget.PodHours = 0.1;
        var (status, plan, held) = (new PrewarmStatus(), new PrewarmPlan(2, s_now.AddHours(5), true, "window"), 0.0);
        for (var i = 0; i < 60; i++)
        {
            status = await HoldAsync(actor, plan, status);
            Assert.InRange(status.PodSeconds, 0, 360);
            held += status.Pods * 10;
            _time.Advance(TimeSpan.FromSeconds(10));
            await actor.ReapAsync("default", Catalog(), _time.GetUtcNow(), _world.Deadline);
        }

        Assert.InRange(held, 340, 360);
        Assert.Equal((0, 360.0), (status.Pods, status.PodSeconds));
        Assert.StartsWith("budget", status.Why, StringComparison.Ordinal);
        Assert.Null(await MinScaleAsync("revisions"));
        // A new day, a new budget.
        _time.SetUtcNow(s_now.AddHours(13));
        Assert.Equal(2, (await HoldAsync(actor, plan with { Until = s_now.AddHours(20) }, status)).Pods);
    }

    [Fact]
    public async Task Hold_BudgetOfTheNamespace_CountsItsOtherModels()
    {
        var actor = await StartAsync(minScale: null);
        Assert.Equal(0, (await actor.HoldAsync(_model, Name, new(1, s_now.AddHours(1), true, "window"), new(), 7200, Told, _time.GetUtcNow(), _world.Deadline)).Pods);
        Assert.Equal(1, (await actor.HoldAsync(_model, Name, new(1, s_now.AddHours(1), true, "window"), new(), 7000, Told, _time.GetUtcNow(), _world.Deadline)).Pods);
    }

    /// <summary>What is held is never less than Knative would keep up without us.</summary>
    [Fact]
    public async Task Hold_OwnMinScaleThatIsAsHigh_IsLeftAsItIs()
    {
        var actor = await StartAsync(minScale: "5");
        var status = await HoldAsync(actor, new(5, s_now.AddHours(1), true, "window"), new());
        Assert.Equal(("5", 0, 0.0), (await MinScaleAsync("revisions"), status.Pods, status.PodSeconds));
        Assert.Equal(6, (await HoldAsync(actor, new(6, s_now.AddHours(1), true, "window"), new())).Pods);
        Assert.Equal("6", await MinScaleAsync("revisions"));
        // Fewer than the person's own are asked for while it lasts: it runs out, and the person's own stands again.
        Assert.Equal(0, (await HoldAsync(actor, new(2, s_now.AddHours(1), true, "window"), status)).Pods);
        _time.Advance(TimeSpan.FromMinutes(3));
        await actor.ReapAsync("default", Catalog(), _time.GetUtcNow(), _world.Deadline);
        Assert.Equal("5", await MinScaleAsync("revisions"));
    }

    [Fact]
    public async Task Reap_PausedOrGone_IsTakenBackAtOnce()
    {
        var actor = await StartAsync(minScale: null);
        await HoldAsync(actor, new(1, s_now.AddHours(1), true, "window"), new());
        await actor.ReapAsync("default", Catalog(), _time.GetUtcNow(), _world.Deadline);
        Assert.Equal("1", await MinScaleAsync("revisions"));
        _model.Spec!.Prewarm.Paused = true;
        await actor.ReapAsync("default", Catalog(), _time.GetUtcNow(), _world.Deadline);
        Assert.Null(await MinScaleAsync("revisions"));
    }

    /// <summary>The activator answers when a pod is there, and all models' holds hang on the same tick.</summary>
    [Fact]
    public async Task Knock_ThatIsNotAnswered_KeepsNobodyWaiting_AndIsNotRepeatedBeforeItEnds()
    {
        await StartAsync(minScale: null);
        var knocks = 0;
        using var silent = new HttpClient(new Silent(() => Interlocked.Increment(ref knocks)));
        var actor = new HoldActor(_world.Api, new(silent, new("http://gateway.test")), new(), _time, NullLogger<HoldActor>.Instance);
        var status = new PrewarmStatus();
        for (var i = 0; i < 3; i++)
        {
            status = await HoldAsync(actor, new(1, s_now.AddHours(1), true, "window"), status).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, _world.Deadline);
        }

        Assert.Equal((1, 1), (status.Pods, knocks));
        // Five seconds are enough for the autoscaler to have heard.
        _time.Advance(TimeSpan.FromSeconds(6));
        while (knocks < 2)
        {
            status = await HoldAsync(actor, new(1, s_now.AddHours(1), true, "window"), status).WaitAsync(_world.Deadline);
        }
    }

    private async Task<HoldActor> StartAsync(string? minScale)
    {
        await _world.StartAsync();
        _model.Status!.Versions = [new() { Name = "v1", State = "Serving", Revision = Name }];
        var annotations = minScale is null ? new JsonObject() : new JsonObject { [PrewarmHold.MinScale] = minScale };
        await _world.Api.EnsureAsync(Kinds.Revisions, new() { ["metadata"] = new JsonObject { ["name"] = Name, ["namespace"] = "default", ["annotations"] = annotations }, ["spec"] = new JsonObject() }, _world.Deadline);
        await _world.Api.EnsureAsync(Kinds.PodAutoscalers, new() { ["metadata"] = new JsonObject { ["name"] = Name, ["namespace"] = "default" }, ["spec"] = new JsonObject() }, _world.Deadline);
        return Actor();
    }

    private HoldActor Actor() => new(_world.Api, new(_http, new("http://gateway.test")), new() { NamespacePodHours = new Dictionary<string, double> { ["default"] = 2 } }, _time, NullLogger<HoldActor>.Instance);

    private CatalogSnapshot Catalog() => new([_model]);

    private Task<PrewarmStatus> HoldAsync(HoldActor actor, PrewarmPlan plan, PrewarmStatus status) =>
        actor.HoldAsync(_model, Name, plan, status, 0, Told, _time.GetUtcNow(), _world.Deadline);

    private Task Told(PrewarmStatus status)
    {
        _told.Add(status);
        return Task.CompletedTask;
    }

    private async Task<string?> MinScaleAsync(string plural) =>
        (await _world.Api.GetAsync(plural == "revisions" ? Kinds.Revisions : Kinds.PodAutoscalers, "default", Name, _world.Deadline)).Text("metadata", "annotations", PrewarmHold.MinScale);

    private sealed class Silent(Action knocked) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            knocked();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            throw new InvalidOperationException("it is never answered");
        }
    }

    private sealed class Refusing : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(request.Headers.Contains(FrontDoor.Mark) ? HttpStatusCode.OK : HttpStatusCode.BadRequest));
    }
}
