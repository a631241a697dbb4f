using Microsoft.Extensions.Hosting;

namespace Prewarm.Functions.Catalog;

/// <summary>The server listens before the watches connect: side by side, on the few processors of a pod, each only makes the other slower.</summary>
internal static class ServerStart
{
    /// <summary>Ends when the host has started, or is stopped.</summary>
    /// <param name="lifetime">Null where there is no server: then at once.</param>
    public static async Task WaitAsync(IHostApplicationLifetime? lifetime, CancellationToken stopping)
    {
        if (lifetime is not null)
        {
            var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
            await started.Task.WaitAsync(stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
