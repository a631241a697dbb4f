using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Prewarm.Functions.Catalog;

/// <summary>
/// A hosted service that is made, with all that it needs, only once the server listens: the client of the API server with its TLS, the watches and the loops answer no request by themselves.
/// One that cannot be made or started fails the host's start, as if it had been there from the beginning, and one that breaks off later is the host's to judge.
/// </summary>
internal sealed class LateService<T>(IServiceProvider services) : BackgroundService, IHostedLifecycleService
    where T : class, IHostedService
{
    private readonly TaskCompletionSource _running = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _service;

    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        var service = services.GetRequiredService<T>();
        _service = service;
        if (service is IHostedLifecycleService starting)
        {
            await starting.StartingAsync(cancellationToken);
        }

        await service.StartAsync(cancellationToken);
        if (service is IHostedLifecycleService started)
        {
            await started.StartedAsync(cancellationToken);
        }

        _running.TrySetResult();
    }

    public Task StoppingAsync(CancellationToken cancellationToken) => _service is IHostedLifecycleService service ? service.StoppingAsync(cancellationToken) : Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => _service is IHostedLifecycleService service ? service.StoppedAsync(cancellationToken) : Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_service is not null)
        {
            await _service.StopAsync(cancellationToken);
        }

        await base.StopAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await _running.Task.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_service is BackgroundService { ExecuteTask: { } run })
        {
            await run;
        }
    }
}
