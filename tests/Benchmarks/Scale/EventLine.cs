using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Scale;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;

namespace Prewarm.Tests.Benchmarks.Scale;

/// <summary>Knative Eventing in miniature with all of Prewarm's wiring, and ScaleSignalled at the end of it; other routes answer 202.</summary>
internal sealed class EventLine : IAsyncDisposable
{
    private const string Namespace = "prewarm-system";
    private readonly KubeApi _api;
    private readonly WebApplication _app;
    private readonly EventingControllers _eventing;
    private int _scale;

    private EventLine(KubeApi api, WebApplication app)
    {
        (_api, _app) = (api, app);
        _eventing = new(api, (_, _) => null, TimeProvider.System);
    }

    public static async Task<EventLine> StartAsync(KubeApi api, Activations activations, ICatalog catalog, IHostApplicationLifetime lifetime, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var line = new EventLine(api, app);
        var function = new ScaleSignalledFunction(new(new(null), new NoLine(), catalog, lifetime, TimeProvider.System, NullLogger<EventDesk>.Instance), activations);
        app.Run(async context =>
        {
            if (context.Request.Path == "/events/scale")
            {
                Interlocked.Increment(ref line._scale);
                await (await function.RunAsync(context.Request, context.RequestAborted)).ExecuteAsync(context);
                return;
            }

            context.Response.StatusCode = StatusCodes.Status202Accepted;
        });
        await app.StartAsync(cancellationToken);
        await line._eventing.StartAsync(cancellationToken);
        await api.CreateAsync(Kinds.Namespaces, null, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, cancellationToken);
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var objects = new PrewarmEventing { Namespace = Namespace, Functions = new(address), Scale = true }.Objects();
        foreach (var (type, obj) in objects)
        {
            await api.ApplyAsync(type, type.Namespaced ? Namespace : null, obj.Name(), obj, "benchmark", true, null, cancellationToken);
        }

        foreach (var (type, obj) in objects.Where(o => o.Type.Group is "eventing.knative.dev" or "sources.knative.dev"))
        {
            while ((await api.GetAsync(type, Namespace, obj.Name(), cancellationToken)).At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == "Ready").Text("status") != "True")
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
            }
        }

        return line;
    }

    /// <summary>A source replays nothing: waits until a change of a PodAutoscaler comes through.</summary>
    public async Task ProbeAsync(WakeFleet fleet, string model, CancellationToken cancellationToken)
    {
        for (var i = 0; Volatile.Read(ref _scale) == 0; i++)
        {
            await fleet.Api.MergePatchAsync(Kinds.PodAutoscalers, WakeFleet.Namespace, $"{model}-predictor-00001", new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["probe"] = $"{i}" } } }.ToJsonString(), null, cancellationToken);
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _eventing.DisposeAsync();
        await _app.DisposeAsync();
        _api.Dispose();
    }

    private sealed class NoLine : IModelLine
    {
        public Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, bool fresh, CancellationToken cancellationToken) => Task.FromResult(LineOutcome.Settled);
    }
}
