using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Xunit;

namespace Prewarm.Tests.Unit;

/// <summary>What begins when the server listens is nothing less than what begins with it: the host knows when it cannot begin, breaks off, or has to end.</summary>
public class LateServiceTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Service_IsMadeAfterAllOthersHaveStarted()
    {
        var story = new Story();
        using var host = Host(story, s => s.AddLateService<Late>().AddHostedService<Server>());
        await host.StartAsync().WaitAsync(Limit);
        Assert.Equal(["server starts", "late is made", "late starts"], story.Lines);
        await host.StopAsync().WaitAsync(Limit);
        Assert.Equal(["late is stopping", "server stops", "late stops"], story.Lines[3..]);
    }

    [Fact]
    public async Task Service_CannotBeMade_TheHostDoesNotStart()
    {
        var story = new Story { Fault = "KUBECONFIG names a file that does not exist" };
        using var host = Host(story, s => s.AddLateService<Late>());
        var why = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync().WaitAsync(Limit));
        Assert.Equal(story.Fault, why.Message);
    }

    [Fact]
    public async Task Service_BreaksOff_TheHostEnds()
    {
        var story = new Story();
        using var host = Host(story, s => s.AddLateService<Late>());
        await host.StartAsync().WaitAsync(Limit);
        story.Broken.SetException(new InvalidOperationException("a fault in this program"));
        await host.WaitForShutdownAsync().WaitAsync(Limit);
        Assert.Contains("late stops", story.Lines);
    }

    private static IHost Host(Story story, Action<IServiceCollection> add)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(story);
        add(builder.Services);
        return builder.Build();
    }

    private sealed class Story
    {
        public List<string> Lines { get; } = [];
        public string? Fault { get; init; }
        public TaskCompletionSource Broken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Server(Story story) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            story.Lines.Add("server starts");
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            story.Lines.Add("server stops");
            return Task.CompletedTask;
        }
    }

    private sealed class Late : BackgroundService, IHostedLifecycleService
    {
        private readonly Story _story;

        public Late(Story story)
        {
            (_story = story).Lines.Add("late is made");
            if (story.Fault is not null)
            {
                throw new InvalidOperationException(story.Fault);
            }
        }

        public override Task StartAsync(CancellationToken cancellationToken)
        {
            _story.Lines.Add("late starts");
            return base.StartAsync(cancellationToken);
        }

        public override Task StopAsync(CancellationToken cancellationToken)
        {
            _story.Lines.Add("late stops");
            return base.StopAsync(cancellationToken);
        }

        public Task StoppingAsync(CancellationToken cancellationToken)
        {
            _story.Lines.Add("late is stopping");
            return Task.CompletedTask;
        }

        public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        protected override Task ExecuteAsync(CancellationToken stoppingToken) => _story.Broken.Task.WaitAsync(stoppingToken);
    }
}
