using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Azure.Functions.Worker;

namespace Prewarm.Tests.Unit.Hosting;

internal sealed record Greeting(string Text);

/// <summary>One function per thing the host has to do.</summary>
internal sealed class SpecimenFunctions(Greeting greeting)
{
    [Function("Greet")]
    public IResult Greet(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", "options", Route = "greet/{name}/{*rest}")] HttpRequest request,
        string name,
        string? rest,
        FunctionContext context,
        CancellationToken cancellation)
        => TypedResults.Text($"{request.Method} {greeting.Text} {name} {rest ?? "-"} {context.FunctionDefinition.Name} {cancellation.CanBeCanceled}");

    [Function("Unrouted")]
    public async Task<IResult> UnroutedAsync([HttpTrigger(AuthorizationLevel.Function)] HttpRequest request)
    {
        await Task.Yield();
        return TypedResults.Text(request.Protocol);
    }

    [Function("WritesItself")]
    public async Task WriteAsync([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request)
    {
        request.HttpContext.Response.StatusCode = StatusCodes.Status202Accepted;
        await request.HttpContext.Response.WriteAsync("mine");
    }

    [Function("ReturnsText")]
    public string ReturnText([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request)
    {
        request.HttpContext.Response.StatusCode = StatusCodes.Status204NoContent;
        return "not sent: the worker leaves the response alone too";
    }

    [Function("Throws")]
    public Task<IResult> ThrowAsync([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request)
        => throw new InvalidOperationException("broken on purpose: " + request.Path);

    [Function("Small")]
    [RequestSizeLimit(1000)]
    public async Task<IResult> SmallAsync([HttpTrigger(AuthorizationLevel.Anonymous, "post")] HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        return TypedResults.Text(body.Length.ToString());
    }

    [Function("Unlimited")]
    public IResult Default([HttpTrigger(AuthorizationLevel.Anonymous, "post")] HttpRequest request)
        => TypedResults.Text(request.ContentLength?.ToString() ?? "-");

    [Function("Invocation")]
    public IResult Invocation([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request, FunctionContext context)
        => TypedResults.Text(
            $"{context.InvocationId} {ReferenceEquals(context.GetHttpContext(), request.HttpContext)} {context.Items.ContainsKey("seen")}");

    [Function("CatchAll")]
    public IResult CatchAll([HttpTrigger(AuthorizationLevel.Anonymous, Route = "{*any}")] HttpRequest request)
        => TypedResults.Text("caught " + request.Path);
}
