using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Prewarm.Sandbox.Predictor;

/// <summary>
/// A predictor container: the KServe V1 protocol (list, ready, predict) over a loaded model, on a free loopback port.
/// A prediction takes the tutorial's body <c>{"prompt","result_length"}</c> or V1's <c>{"instances":[…]}</c>.
/// </summary>
internal sealed class PredictorServer : IAsyncDisposable
{
    /// <summary>The most tokens one prediction may ask for.</summary>
    public const int MaxTokens = 4096;

    private const int DefaultTokens = 50;
    private readonly WebApplication _app;
    private readonly string _name;
    private readonly LanguageModel.LanguageModel _model;
    private readonly Action? _begun;

    private PredictorServer(WebApplication app, string name, LanguageModel.LanguageModel model, Action? begun) => (_app, _name, _model, _begun) = (app, name, model, begun);

    /// <summary>Where it listens, e.g. <c>http://127.0.0.1:41234</c>.</summary>
    public Uri Address => new(_app.Urls.First());

    public int Port => Address.Port;

    public static Task<PredictorServer> StartAsync(string modelName, LanguageModel.LanguageModel model, CancellationToken ct = default) => StartAsync(modelName, model, null, ct);

    /// <param name="begun">Told of each prediction that the model begins on.</param>
    public static async Task<PredictorServer> StartAsync(string modelName, LanguageModel.LanguageModel model, Action? begun, CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null).ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var server = new PredictorServer(app, modelName, model, begun);
        app.Run(server.Handle);
        await app.StartAsync(ct);
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private Task Handle(HttpContext context)
    {
        const string models = "/v1/models";
        var (method, path) = (context.Request.Method, context.Request.Path.Value ?? "/");
        if (HttpMethods.IsGet(method))
        {
            return path switch
            {
                "/" or "/healthz" => Answer(context, 200, new JsonObject { ["status"] = "alive" }),
                models => Answer(context, 200, new JsonObject { ["models"] = new JsonArray(_name) }),
                _ when path == $"{models}/{_name}" => Answer(context, 200, new JsonObject { ["name"] = _name, ["ready"] = true }),
                _ when path.StartsWith(models + "/", StringComparison.Ordinal) => UnknownModel(context, path[(models.Length + 1)..]),
                _ => Error(context, 404, $"no route {path}"),
            };
        }

        const string predict = ":predict";
        if (HttpMethods.IsPost(method) && path.StartsWith(models + "/", StringComparison.Ordinal) && path.EndsWith(predict, StringComparison.Ordinal))
        {
            var name = path[(models.Length + 1)..^predict.Length];
            return name == _name ? Predict(context) : UnknownModel(context, name);
        }

        return Error(context, HttpMethods.IsPost(method) ? 404 : 405, $"no route {method} {path}");
    }

    private async Task Predict(HttpContext context)
    {
        _begun?.Invoke();
        JsonObject? body = null;
        try
        {
            body = await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted) as JsonObject;
        }
        catch (JsonException)
        {
            // Answered below, as any body that is no object.
        }

        if (body?["instances"] is JsonArray instances)
        {
            var answers = instances.Select(i => i is JsonValue v && v.TryGetValue<string>(out var text) ? Generate(new JsonObject { ["prompt"] = text }) : Generate(i as JsonObject)).ToList();
            await (answers.Contains(null)
                ? Error(context, 400, "each instance must be a string or {\"prompt\": string, \"result_length\": number}")
                : Answer(context, 200, new JsonObject { ["predictions"] = new JsonArray([.. answers.Select(a => (JsonNode)a!)]) }));
            return;
        }

        await (Generate(body) is { } result
            ? Answer(context, 200, new JsonObject { ["result"] = result })
            : Error(context, 400, $"the body must be {{\"prompt\": string, \"result_length\": 1..{MaxTokens}}} or {{\"instances\": [...]}}"));
    }

    /// <summary>The prompt and its continuation, as a text generation pipeline answers; null for a body that asks for nothing.</summary>
    private string? Generate(JsonObject? body)
    {
        var length = DefaultTokens;
        if (body?["prompt"] is not JsonValue p || !p.TryGetValue<string>(out var prompt) ||
            (body["result_length"] is { } given && (given is not JsonValue l || !l.TryGetValue(out length) || length is < 1 or > MaxTokens)))
        {
            return null;
        }

        var continuation = _model.Generate(prompt, length);
        return continuation.Length > 0 && char.IsPunctuation(continuation[0]) ? prompt + continuation : $"{prompt} {continuation}".Trim();
    }

    private Task UnknownModel(HttpContext context, string name) => Error(context, 404, $"Model with name {name} does not exist.");

    private static Task Error(HttpContext context, int status, string error) => Answer(context, status, new JsonObject { ["error"] = error });

    private static Task Answer(HttpContext context, int status, JsonObject body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(body.ToJsonString(), context.RequestAborted);
    }
}
