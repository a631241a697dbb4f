using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Azure.Functions.Worker.Middleware;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>Maps functions to routes and runs them.</summary>
internal static class FunctionEndpoints
{
    public static void Map(
        WebApplication app,
        IReadOnlyList<FunctionDescriptor> functions,
        string prefix,
        IEnumerable<Func<FunctionExecutionDelegate, FunctionExecutionDelegate>> middleware,
        ListenOptions listen,
        IReadOnlySet<Type> singletons)
    {
        var logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Functions.Host");
        var steps = middleware.Reverse().ToList();
        // Without middleware there is no pipeline: one method less for each request to wait for.
        var pipeline = steps.Count == 0 ? null : steps.Aggregate<Func<FunctionExecutionDelegate, FunctionExecutionDelegate>, FunctionExecutionDelegate>(
            InvokeFunctionAsync, (next, step) => step(next));

        foreach (var descriptor in functions)
        {
            var function = new RoutedFunction(descriptor, singletons.Contains(descriptor.Type) ? app.Services : null);
            var pattern = string.Join('/', new[] { prefix.Trim('/'), (descriptor.Route ?? descriptor.Name).TrimStart('/') }.Where(s => s.Length > 0));
            RequestDelegate handle = http => HandleAsync(http, function, pipeline, listen, logger);
            var endpoint = descriptor.Methods.Count == 0
                ? app.Map("/" + pattern, handle)
                : app.MapMethods("/" + pattern, descriptor.Methods.Select(m => m.ToUpperInvariant()), handle);
            endpoint.WithDisplayName(descriptor.Name).WithMetadata([.. descriptor.Metadata]);
            if (listen.CustomHandler && !pattern.Equals(descriptor.Name, StringComparison.OrdinalIgnoreCase))
            {
                app.MapPost("/" + descriptor.Name, (RequestDelegate)(http => TriggerAsync(http, descriptor, handle))).WithDisplayName(descriptor.Name).WithMetadata([.. descriptor.Metadata]);
            }
        }

        if (listen.CustomHandler)
        {
            // The Functions host asks "/" every 25 ms until anything answers, and again later: before any catch-all of the app.
            app.MapGet("/", (RequestDelegate)(static _ => Task.CompletedTask)).WithOrder(-1);
        }

        app.Lifetime.ApplicationStarted.Register(() =>
        {
            foreach (var address in app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses)
            {
                Log.Listening(logger, address);
            }

            Log.Serving(logger, string.Join(", ", functions.Select(f => f.Name)));
        });
    }

    /// <summary>What the Functions host does not forward: the function runs on the request that the payload tells of, and its answer is told in the host's way.</summary>
    private static async Task TriggerAsync(HttpContext http, FunctionDescriptor function, RequestDelegate handle)
    {
        bool request;
        try
        {
            request = await TriggerPayload.ReadAsync(http, function.Name, function.RequestName);
        }
        catch (BadHttpRequestException e)
        {
            http.Response.StatusCode = e.StatusCode;
            await http.Response.WriteAsync(e.Message, http.RequestAborted);
            return;
        }

        var (answer, body) = (http.Response.Body, new MemoryStream());
        http.Response.Body = body;
        try
        {
            await handle(http);
            await http.Response.CompleteAsync();
        }
        finally
        {
            http.Response.Body = answer;
        }

        await TriggerPayload.WriteAsync(http, body, request);
    }

    private static async Task HandleAsync(
        HttpContext http, RoutedFunction function, FunctionExecutionDelegate? pipeline, ListenOptions listen, ILogger logger)
    {
        // Kestrel finds out only when the body is read; a function that reads late or never should answer 413 all the same.
        if (http.Request.ContentLength > http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize)
        {
            http.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
            return;
        }

        var context = new HttpFunctionContext(http, function, listen.CustomHandler);
        try
        {
            if (pipeline is not null)
            {
                await pipeline(context);
            }
            else if (function.Straight is { } straight)
            {
                context.Result = await straight(http.Request, context);
            }
            else if (Invoke(context) is var returned && returned is not Task task)
            {
                context.Result = returned;
            }
            else
            {
                await task;
                context.Result = (task as Task<IResult>)?.Result;
            }

            if (context.Result is IResult result)
            {
                await result.ExecuteAsync(http);
            }
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            Log.CallerGone(logger, function.Name, context.InvocationId);
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            Log.BadRequest(logger, function.Name, context.InvocationId, e.StatusCode, e.Message);
            http.Response.Clear();
            http.Response.StatusCode = e.StatusCode;
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            Log.Failed(logger, function.Name, context.InvocationId, e);
            http.Response.Clear();
            http.Response.StatusCode = StatusCodes.Status500InternalServerError;
        }
        catch (Exception e)
        {
            // Too late for a status: a cut connection is the only honest end of a half-written answer.
            Log.Failed(logger, function.Name, context.InvocationId, e);
            http.Abort();
        }
    }

    private static object? Invoke(HttpFunctionContext context) => context.Function.Descriptor.Invoke(context, context.Http, context.Function.Instances);

    private static async Task InvokeFunctionAsync(FunctionContext context)
    {
        var invocation = (HttpFunctionContext)context;
        var returned = Invoke(invocation);
        if (returned is Task task)
        {
            await task;
            returned = (task as Task<IResult>)?.Result;
        }

        invocation.Result = returned;
    }
}
