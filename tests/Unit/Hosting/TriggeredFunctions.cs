using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Events;

namespace Prewarm.Tests.Unit.Hosting;

/// <summary>Functions as the Functions host calls them.</summary>
internal sealed class TriggeredFunctions
{
    public static readonly SemaphoreSlim Heard = new(0);

    /// <summary>Takes events, guarded by a token.</summary>
    [Function("Tick")]
    public async Task<IResult> TickAsync([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/tick")] HttpRequest request, CancellationToken cancellationToken)
    {
        if (!new EventToken("T").Allows(request))
        {
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        }

        var read = await CloudEventReader.ReadAsync(request, cancellationToken);
        return read.Ok ? Results.Text($"{read.Events.Single().Id} {read.Events.Single().Source}", statusCode: StatusCodes.Status202Accepted) : Results.Text(read.Reason!, statusCode: read.Status);
    }

    [Function("Late")]
    public IResult Late([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/late")] HttpRequest request)
    {
        request.HttpContext.Response.Headers.RetryAfter = "2";
        return Results.Text("later", statusCode: StatusCodes.Status503ServiceUnavailable);
    }

    [Function("Echo")]
    public async Task<IResult> EchoAsync([HttpTrigger(AuthorizationLevel.Anonymous, Route = "echo/{name}")] HttpRequest req, string name)
    {
        using var reader = new StreamReader(req.Body);
        req.HttpContext.Response.Headers["X-Echo"] = req.Headers["ce-id"];
        return Results.Text($"{req.Method} {req.Path}{req.QueryString} {name} {req.ContentType} {await reader.ReadToEndAsync()}", statusCode: StatusCodes.Status207MultiStatus);
    }

    /// <summary>Server-sent events, the second only when the first was heard.</summary>
    [Function("Stream")]
    public async Task StreamAsync([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "stream")] HttpRequest request, CancellationToken cancellationToken)
    {
        request.HttpContext.Response.ContentType = "text/event-stream";
        await request.HttpContext.Response.WriteAsync("data: one\n\n", cancellationToken);
        await request.HttpContext.Response.Body.FlushAsync(cancellationToken);
        await Heard.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken);
        await request.HttpContext.Response.WriteAsync("data: two\n\n", cancellationToken);
    }
}
