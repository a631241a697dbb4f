using System.Collections.Immutable;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Knative;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Sandbox.Gateway;

/// <summary>
/// The mesh's ingress gateway and Knative's activator on one loopback port: routes by Host, splits traffic, holds requests of a revision without
/// pods and wakes it, answers 504 when its timeout is over and 503 when the queue is full (facts/knative.md §4, facts/kserve.md §5).
/// </summary>
internal sealed class MeshGateway : IAsyncDisposable
{
    private const int Replayable = 1 << 20;
    private readonly WebApplication _app;
    private readonly RouteTable _routes;
    private readonly RevisionTraffics _traffics;
    private readonly Action<string, string> _wake;
    private readonly KnativeOptions _options;
    private readonly MeshFaults _faults;
    private readonly TimeProvider _time;
    private readonly IHttpForwarder _forwarder;
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None });

    private MeshGateway(WebApplication app, RouteTable routes, RevisionTraffics traffics, Action<string, string> wake, KnativeOptions options, MeshFaults faults, TimeProvider time)
    {
        (_app, _routes, _traffics, _wake, _options, _faults, _time) = (app, routes, traffics, wake, options, faults, time);
        _forwarder = app.Services.GetRequiredService<IHttpForwarder>();
    }

    public Uri Address => new(_app.Urls.First());

    public GatewayTally Tally { get; } = new();

    /// <param name="wake">Told a namespace and revision when a request waits there.</param>
    public static async Task<MeshGateway> StartAsync(RouteTable routes, RevisionTraffics traffics, Action<string, string> wake, KnativeOptions options, MeshFaults faults,
        TimeProvider time, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddHttpForwarder();
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null).ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            k.Listen(IPAddress.Loopback, 0);
        });
        var app = builder.Build();
        var gateway = new MeshGateway(app, routes, traffics, wake, options, faults, time);
        app.Run(gateway.HandleAsync);
        await app.StartAsync(cancellationToken);
        return gateway;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _client.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        context.Response.Headers.Server = "istio-envoy";
        Tally.Count(context.Request.Method, context.Request.Headers.ContainsKey("x-prewarm-wake"));
        var targets = _routes.Find(context.Request.Host.Host);
        if (targets.IsEmpty)
        {
            context.Response.StatusCode = 404;
            return;
        }

        var target = Pick(targets);
        var traffic = _traffics.Of(target.Namespace, target.Revision);
        using var timeout = new CancellationTokenSource(_routes.TimeoutOf(target) ?? _options.RequestTimeout, _time);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, context.RequestAborted);
        try
        {
            if (_faults.Pod503 > 0)
            {
                context.Request.EnableBuffering(Replayable);
            }

            for (var attempt = 0; ; attempt++)
            {
                var pod = _faults.Roll(_faults.QueueFull) ? null : await traffic.PodAsync(() => _wake(target.Namespace, target.Revision), ends.Token);
                if (pod is null)
                {
                    await TextAsync(context, 503, "pending request queue full");
                    return;
                }

                try
                {
                    if (await ForwardAsync(context, pod, ends.Token) != 503 || attempt >= _faults.Retries)
                    {
                        return;
                    }
                }
                finally
                {
                    traffic.Ended(pod);
                }

                context.Request.Body.Position = 0;
                context.Response.Clear();
                context.Response.Headers.Server = "istio-envoy";
            }
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !context.Response.HasStarted)
        {
            await TextAsync(context, 504, "activator request timeout");
        }
        catch (OperationCanceledException)
        {
            // The client has gone.
        }
    }

    /// <summary>One try at one pod; 503 when the answer was thrown away and may be asked for again.</summary>
    private async Task<int> ForwardAsync(HttpContext context, PodEndpoint pod, CancellationToken cancellationToken)
    {
        if (HttpMethods.IsPost(context.Request.Method) && _faults.Roll(_faults.NotReady))
        {
            context.Response.ContentType = "application/json";
            context.Response.StatusCode = 400;
            await context.Response.WriteAsync("""{"error":"Model with name model is not ready."}""", cancellationToken);
            return 0;
        }

        var fault = _faults.Roll(_faults.Pod503) ? 503 : _faults.Roll(_faults.Gateway504) ? 504 : 0;
        var transformer = new HostKept(fault == 0, _faults.Roll(_faults.Reset));
        var error = await _forwarder.SendAsync(context, pod.Address.ToString(), _client, ForwarderRequestConfig.Empty, transformer, cancellationToken);
        if (fault != 0 && !context.Response.HasStarted)
        {
            await (fault == 503 && context.Request.Body.CanSeek ? Status(context, fault) : TextAsync(context, fault, fault == 504 ? "upstream request timeout" : "upstream connect error"));
        }

        return error == ForwarderError.None ? fault : context.Response.StatusCode;
    }

    private static Task Status(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    }

    private RouteTarget Pick(ImmutableArray<RouteTarget> targets)
    {
        if (targets.Length == 1)
        {
            return targets[0];
        }

        var roll = _faults.Percent();
        foreach (var target in targets)
        {
            if ((roll -= target.Percent) < 0)
            {
                return target;
            }
        }

        return targets[^1];
    }

    private static Task TextAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain";
        return context.Response.WriteAsync(text);
    }

    /// <summary>Passes the request on with its Host; drops the answer when asked to.</summary>
    private sealed class HostKept(bool answer, bool reset) : HttpTransformer
    {
        public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            proxyRequest.Headers.Host = httpContext.Request.Host.Value;
        }

        public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
        {
            if (!answer)
            {
                return false;
            }

            await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
            httpContext.Response.Headers.Server = "istio-envoy";
            if (!reset || proxyResponse is null)
            {
                return true;
            }

            var begin = new byte[8];
            var read = await (await proxyResponse.Content.ReadAsStreamAsync(cancellationToken)).ReadAsync(begin, cancellationToken);
            await httpContext.Response.Body.WriteAsync(begin.AsMemory(0, read), cancellationToken);
            await httpContext.Response.Body.FlushAsync(cancellationToken);
            httpContext.Abort();
            return false;
        }
    }
}
