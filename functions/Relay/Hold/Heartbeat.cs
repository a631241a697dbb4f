using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Prewarm.Functions.Relay;

/// <summary>
/// The answer to a client that takes server-sent events and asked to hear something while it waits: 200 and a comment every few seconds (HTML standard, section 9.2.6).
/// From then on the model's answer can only be appended: events as they are, anything else as one event, and what went wrong as an event named error.
/// </summary>
internal sealed class Heartbeat : IHttpResponseFeature, IHttpResponseBodyFeature
{
    /// <summary>Seconds between two comments, 1 to 300.</summary>
    public const string Header = "X-Prewarm-Heartbeat";

    private readonly IHttpResponseFeature _response;
    private readonly IHttpResponseBodyFeature _body;

    private Heartbeat(IHttpResponseFeature response, IHttpResponseBodyFeature body) => (_response, _body) = (response, body);

    public int StatusCode { get; set; } = StatusCodes.Status200OK;
    public string? ReasonPhrase { get; set; }
    public IHeaderDictionary Headers { get; set; } = new HeaderDictionary();

    /// <summary>The model's own answer has begun.</summary>
    public bool HasStarted { get; private set; }

    public Stream Stream => _body.Stream;
    public PipeWriter Writer => _body.Writer;

    [Obsolete("Use IHttpResponseBodyFeature.Stream instead.")]
    public Stream Body { get => _body.Stream; set => throw new NotSupportedException(); }

    /// <summary>How often the request wants to hear something; null: it did not ask.</summary>
    public static TimeSpan? Asked(HttpRequest request) =>
        request.Headers.TryGetValue(Header, out var text) && int.TryParse(text.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 1 and <= 300
            && request.Headers.Accept.ToString().Contains("text/event-stream", StringComparison.OrdinalIgnoreCase)
            ? TimeSpan.FromSeconds(seconds) : null;

    /// <summary>The heartbeat of a request that has one.</summary>
    public static Heartbeat? Of(HttpContext context) => context.Features.Get<IHttpResponseFeature>() as Heartbeat;

    /// <summary>Begins the answer.</summary>
    public static async Task<Heartbeat> BeginAsync(HttpContext context)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        await response.StartAsync(context.RequestAborted);
        var beat = new Heartbeat(context.Features.GetRequiredFeature<IHttpResponseFeature>(), context.Features.GetRequiredFeature<IHttpResponseBodyFeature>());
        context.Features.Set<IHttpResponseFeature>(beat);
        context.Features.Set<IHttpResponseBodyFeature>(beat);
        return beat;
    }

    /// <param name="waited">How long the request has been held.</param>
    public Task BeatAsync(TimeSpan waited, CancellationToken cancellationToken) =>
        WriteAsync(string.Create(CultureInfo.InvariantCulture, $": waiting {waited.TotalSeconds:0} s for the model to start\n\n"), cancellationToken);

    /// <summary>The model answers with events: they follow as they are.</summary>
    public void Pass() => HasStarted = true;

    /// <summary>Anything that is not events, as one: named error unless the model answered well.</summary>
    public Task EventAsync(int status, string text, CancellationToken cancellationToken)
    {
        HasStarted = true;
        var lines = string.Concat(text.ReplaceLineEndings("\n").Split('\n').Select(l => $"data: {l}\n"));
        return WriteAsync(status is >= 200 and < 300 ? $"{lines}\n" : string.Create(CultureInfo.InvariantCulture, $"event: error\nid: {status}\n{lines}\n"), cancellationToken);
    }

    public void OnStarting(Func<object, Task> callback, object state)
    {
        // The answer has started long ago.
    }

    public void OnCompleted(Func<object, Task> callback, object state) => _response.OnCompleted(callback, state);

    public void DisableBuffering() => _body.DisableBuffering();

    public Task StartAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => _body.SendFileAsync(path, offset, count, cancellationToken);

    public Task CompleteAsync() => _body.CompleteAsync();

    private async Task WriteAsync(string text, CancellationToken cancellationToken)
    {
        await _body.Stream.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
        await _body.Stream.FlushAsync(cancellationToken);
    }
}
