using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Prewarm.Functions.Relay;

/// <summary>
/// The end of a relay: 1. it is unready (the health function sees that the process ends), and whoever is held is told to come again; 2. requests are still taken for a moment, until senders have noticed;
/// 3. then the server takes no more, and what has begun may end within the grace period (HostOptions.ShutdownTimeout).
/// </summary>
internal sealed class RelayDrain(ModelHolds holds, IOptions<RelayOptions> options, TimeProvider time) : IHostedLifecycleService
{
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        // 1
        holds.End();
        // 2
        await Task.Delay(options.Value.Drain, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
