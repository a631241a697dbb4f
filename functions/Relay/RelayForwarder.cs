using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Acts on a <see cref="RelayOutcome"/>: forwards exactly once, or says why not. A prediction is never tried again,
/// because the model may have begun on it.
/// </summary>
internal sealed class RelayForwarder(ICatalog catalog, IHttpForwarder forwarder, IOptions<RelayOptions> options, TimeProvider time, ILogger<RelayForwarder> logger) : IDisposable
{
    /// <summary>How long a request waits for the first list of models.</summary>
    internal static readonly TimeSpan SyncLimit = TimeSpan.FromSeconds(5);

    private const string RetryAfterSeconds = "5";

    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        EnableMultipleHttp2Connections = true,
        ActivityHeadersPropagator = new ReverseProxyPropagator(DistributedContextPropagator.Current),
        ConnectTimeout = TimeSpan.FromSeconds(15),
    });

    /// <summary>A relay that has just started has its catalog in a moment: a request that came too early waits for it.</summary>
    private async Task<bool> SyncedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await catalog.Synced.WaitAsync(SyncLimit, time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Routes by the request's path and answers it.</summary>
    public async Task RunAsync(HttpContext context)
    {
        var arrived = time.GetTimestamp();
        // An empty catalog before the first list would call every model unknown.
        if (!catalog.Synced.IsCompletedSuccessfully && !await SyncedAsync(context.RequestAborted))
        {
            context.Response.Headers.RetryAfter = RetryAfterSeconds;
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "", "unsynced", new("the catalog of models has not been read yet"));
            return;
        }

        switch (RelayRouter.Route(catalog.Current, context.Request.Path.Value ?? "/"))
        {
            case RelayOutcome.Found found:
                await ForwardAsync(context, found, arrived);
                break;
            case RelayOutcome.ModelList list:
                await WriteAsync(context, StatusCodes.Status200OK,
                    JsonSerializer.SerializeToUtf8Bytes(new(list.Models), RelayJsonContext.Default.RelayModelList));
                break;
            case RelayOutcome.Unknown unknown:
                await RefuseAsync(context, StatusCodes.Status404NotFound, "", "unknown",
                    new($"there is no model {unknown.Asked}") { Models = unknown.Known });
                break;
            case RelayOutcome.Ambiguous ambiguous:
                await RefuseAsync(context, StatusCodes.Status400BadRequest, "", "ambiguous",
                    new($"{ambiguous.Asked} does not say which model is meant: put one of the candidates in front of the path") { Candidates = ambiguous.Candidates });
                break;
            case RelayOutcome.NotServing waiting:
                context.Response.Headers.RetryAfter = RetryAfterSeconds;
                await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, waiting.Model.Key().ToString(), "not_serving",
                    new($"{waiting.Model.Key()} does not serve yet") { Phase = waiting.Phase, Message = waiting.Message });
                break;
        }
    }

    public void Dispose() => _client.Dispose();

    private async Task ForwardAsync(HttpContext context, RelayOutcome.Found found, long arrived)
    {
        var key = found.Model.Key();
        if (options.Value.Gateway is not { } gateway)
        {
            await RefuseAsync(context, StatusCodes.Status502BadGateway, key.ToString(), "failed",
                new("there is no gateway to forward to") { Cause = "Gateway__Address is not set: give the URL of the mesh's ingress gateway" });
            return;
        }

        // Nothing is buffered here, so how large a prediction may be is the model's own decision.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null;
        }

        var config = new ForwarderRequestConfig
        {
            ActivityTimeout = options.Value.ActivityTimeout,
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        var error = await forwarder.SendAsync(context, gateway.AbsoluteUri, _client, config, new ToHost(found, () => RelayMetrics.Left(time.GetElapsedTime(arrived))));
        if (error == ForwarderError.None)
        {
            RelayMetrics.Count(key.ToString(), "forwarded");
            return;
        }

        if (context.RequestAborted.IsCancellationRequested)
        {
            RelayMetrics.Count(key.ToString(), "caller_gone");
            return;
        }

        var exception = context.GetForwarderErrorFeature()?.Exception;
        var timedOut = error is ForwarderError.RequestTimedOut;
        var cause = timedOut
            ? $"no byte from the gateway for {options.Value.ActivityTimeout.TotalSeconds} s"
            : exception?.GetBaseException().Message ?? error.ToString();
        Log.ForwardFailed(logger, key, error.ToString(), cause);
        if (context.Response.HasStarted)
        {
            // The caller has part of an answer: only a broken connection tells it that the rest is missing; YARP has broken it.
            RelayMetrics.Count(key.ToString(), "broken");
            return;
        }

        await RefuseAsync(context, timedOut ? StatusCodes.Status504GatewayTimeout : StatusCodes.Status502BadGateway, key.ToString(),
            timedOut ? "timed_out" : "failed",
            new(timedOut ? "the model did not answer in time" : "the gateway could not be asked") { Cause = cause });
    }

    private static Task RefuseAsync(HttpContext context, int status, string model, string outcome, RelayProblem problem)
    {
        RelayMetrics.Count(model, outcome);
        return WriteAsync(context, status, JsonSerializer.SerializeToUtf8Bytes(problem, RelayJsonContext.Default.RelayProblem));
    }

    private static async Task WriteAsync(HttpContext context, int status, byte[] json)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        await context.Response.Body.WriteAsync(json, context.RequestAborted);
    }

    /// <summary>The mesh routes by Host; everything else of the request goes on as it came.</summary>
    private sealed class ToHost(RelayOutcome.Found found, Action leaving) : HttpTransformer
    {
        public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            proxyRequest.RequestUri = RequestUtilities.MakeDestinationAddress(destinationPrefix, new PathString(found.Path), httpContext.Request.QueryString);
            proxyRequest.Headers.Host = found.Host;
            leaving();
        }
    }
}
