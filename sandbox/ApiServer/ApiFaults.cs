using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>What an API server in trouble does to those who run as a ServiceAccount; administrators, and so the miniature's own controllers, are spared.</summary>
internal sealed class ApiFaults(TimeProvider time)
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private readonly Random _random = new(53);
    private int _writes;

    /// <value>Share of requests that fail, 0 to 1: in equal parts 409 (writes), 429, 500, and no answer before the connection breaks.</value>
    public double Errors { get; set; }

    /// <value>The pause before a connection breaks without an answer. Default 3 s; beyond the client's own limit (30 s) that ends the request.</value>
    public TimeSpan Hang { get; set; } = TimeSpan.FromSeconds(3);

    /// <value>Watches break after so long; zero = never.</value>
    public TimeSpan WatchLife { get; set; }

    /// <value>While this file is there nobody is answered, and watches break; null = always there for all.</value>
    public string? AwayFile { get; set; }

    /// <summary>Told the number, from 1, and the request of each write that changed something: it is stored, and the writer does not know yet.</summary>
    public Action<int, string>? AfterWrite { get; set; }

    /// <exception cref="ApiFailure">The answer in place of the real one.</exception>
    public async Task StrikeAsync(HttpContext context, User user, string verb)
    {
        if (AwayFile is not null && Account(user) && File.Exists(AwayFile))
        {
            context.Abort();
            throw new OperationCanceledException();
        }

        if (Errors <= 0 || !Hit(user))
        {
            return;
        }

        switch (Roll())
        {
            case < 0.25 when verb is "create" or "update" or "patch" or "delete":
                throw new ApiFailure(409, "Conflict", "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again");
            case < 0.5:
                context.Response.Headers.RetryAfter = "1";
                throw new ApiFailure(429, "TooManyRequests", "Too many requests, please try again later.");
            case < 0.75:
                throw new ApiFailure(500, "InternalError", "Internal error occurred: etcdserver: request timed out");
            default:
                await Task.Delay(Hang, time, context.RequestAborted);
                context.Abort();
                throw new OperationCanceledException();
        }
    }

    /// <summary>Calls <see cref="AfterWrite"/> right before the answer to a write, if that changed what <paramref name="version"/> reads: the object's resourceVersion, or null when there is none.</summary>
    public void Follow(HttpContext context, User user, Func<string?> version)
    {
        if (AfterWrite is null || !Account(user))
        {
            return;
        }

        var before = version();
        context.Response.OnStarting(() =>
        {
            if (context.Response.StatusCode < 300 && (before is null || version() != before))
            {
                AfterWrite(Interlocked.Increment(ref _writes), $"{context.Request.Method} {context.Request.Path}");
            }

            return Task.CompletedTask;
        });
    }

    /// <summary>Ends a watch in the middle when its time is over, or the server goes away.</summary>
    public IDisposable? Limit(HttpContext context, User user) => !Account(user) ? null
        : AwayFile is { } file ? time.CreateTimer(_ => AbortIf(File.Exists(file), context), null, s_look, s_look)
        : WatchLife > TimeSpan.Zero ? time.CreateTimer(_ => context.Abort(), null, WatchLife, Timeout.InfiniteTimeSpan) : null;

    private static void AbortIf(bool away, HttpContext context)
    {
        if (away)
        {
            context.Abort();
        }
    }

    private bool Hit(User user) => Account(user) && Roll() < Errors;

    private static bool Account(User user) => user.Name.StartsWith("system:serviceaccount:", StringComparison.Ordinal);

    private double Roll()
    {
        lock (_random)
        {
            return _random.NextDouble();
        }
    }
}
