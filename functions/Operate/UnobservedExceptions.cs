using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prometheus;

namespace Prewarm.Functions.Operate;

/// <summary>Counts and tells of exceptions of tasks that nobody looked at: each is a fault in this program.</summary>
internal sealed partial class UnobservedExceptions(ILogger<UnobservedExceptions> logger) : IHostedService
{
    private static readonly Counter Seen = Metrics.CreateCounter("prewarm_unobserved_exceptions_total", "Exceptions of tasks that nobody looked at.");

    public Task StartAsync(CancellationToken cancellationToken)
    {
        TaskScheduler.UnobservedTaskException += Tell;
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        TaskScheduler.UnobservedTaskException -= Tell;
        return Task.CompletedTask;
    }

    private void Tell(object? sender, UnobservedTaskExceptionEventArgs args)
    {
        Seen.Inc();
        Unobserved(logger, args.Exception);
    }

    [LoggerMessage(910, LogLevel.Error, "an exception was observed by nobody")]
    private static partial void Unobserved(ILogger logger, Exception exception);
}
