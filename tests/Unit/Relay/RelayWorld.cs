using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>A relay on Kestrel in front of a gateway that does what the test says. The gateway's default: it answers readiness requests, and predictions with the body that they had.</summary>
internal sealed class RelayWorld : IAsyncDisposable
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private readonly List<WebApplication> _apps = [];

    public ScaleFake Scale { get; } = new();
    public CatalogFake Catalog { get; private set; } = null!;
    public Uri Relay { get; private set; } = null!;
    public IServiceProvider Services { get; private set; } = null!;
    public HttpClient Http { get; private set; } = null!;

    /// <summary>Requests that the relay marks as its own.</summary>
    public int Wakes;

    /// <summary>Bodies of the predictions, in the order in which they came.</summary>
    public ConcurrentQueue<string> Predictions { get; } = new();

    /// <summary>What a readiness request is answered.</summary>
    public Func<HttpContext, Task> Ready { get; set; } = context => context.Response.WriteAsync("""{"name":"bloom","ready":true}""");

    /// <summary>What a prediction is answered.</summary>
    public Func<HttpContext, string, Task> Predict { get; set; } = (context, body) => context.Response.WriteAsync(body);

    public ModelHolds Holds => Services.GetRequiredService<ModelHolds>();

    public static Task<RelayWorld> StartAsync(params (string Key, string Value)[] settings) => StartAsync(RelayRouterTests.Model("default", "bloom"), settings);

    /// <param name="concurrency">Requests that a pod of the model takes at once.</param>
    public static Task<RelayWorld> StartAsync(int concurrency)
    {
        var model = RelayRouterTests.Model("default", "bloom");
        model.Spec!.Serving.Predictor = new() { ["containerConcurrency"] = concurrency };
        return StartAsync(model, []);
    }

    private static async Task<RelayWorld> StartAsync(CachedModel model, (string Key, string Value)[] settings)
    {
        var world = new RelayWorld();
        var gateway = await world.ServeAsync(_ => { }, world.GatewayAsync);
        await world.RelayAsync(gateway.Urls.First(), model, settings);
        return world;
    }

    public Task RelayAsync(string gateway, CachedModel model, params (string Key, string Value)[] settings) => RelayAsync(gateway, model, settings, Scale);

    public async Task RelayAsync(string gateway, CachedModel model, (string Key, string Value)[] settings, IScaleView scale)
    {
        Catalog = new(model);
        var relay = await ServeAsync(
            builder =>
            {
                builder.Configuration["Gateway:Address"] = gateway;
                foreach (var (key, value) in settings)
                {
                    builder.Configuration[key] = value;
                }

                builder.Services.AddSingleton<ICatalog>(Catalog).AddSingleton(scale).AddRelay(builder.Configuration);
            },
            async context => await context.RequestServices.GetRequiredService<RelayForwarder>().RunAsync(context));
        Services = relay.Services;
        Relay = new(relay.Urls.First());
        Http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 2000 }) { BaseAddress = Relay, Timeout = TimeSpan.FromSeconds(60) };
    }

    public async Task<WebApplication> ServeAsync(Action<WebApplicationBuilder> configure, RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        configure(builder);
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync().WaitAsync(Limit);
        _apps.Add(app);
        return app;
    }

    public Task<HttpResponseMessage> AskAsync(string body = "{}", CancellationToken cancellationToken = default, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/models/bloom:predict") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    public static async Task<string> BodyAsync(Task<HttpResponseMessage> answer, HttpStatusCode status = HttpStatusCode.OK)
    {
        using var response = await answer.WaitAsync(Limit);
        var text = await response.Content.ReadAsStringAsync().WaitAsync(Limit);
        Assert.True(response.StatusCode == status, $"{response.StatusCode}: {text}");
        return text;
    }

    public static async Task UntilAsync(Func<bool> done)
    {
        using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
        while (!done())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, limit.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        foreach (var app in Enumerable.Reverse(_apps))
        {
            using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1), TimeProvider.System);
            await app.StopAsync(now.Token);
            await app.DisposeAsync();
        }
    }

    public async Task GatewayAsync(HttpContext context)
    {
        if (context.Request.Headers.ContainsKey(ReadinessProbe.Mark))
        {
            Interlocked.Increment(ref Wakes);
            await Ready(context);
            return;
        }

        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        Predictions.Enqueue(body);
        await Predict(context, body);
    }
}
