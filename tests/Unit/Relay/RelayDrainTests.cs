using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Operate;
using Prewarm.Functions.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>The end of a relay, as SIGTERM begins it: on the host that the image runs, with the probe that Kubernetes asks.</summary>
public sealed class RelayDrainTests : IAsyncDisposable
{
    private readonly TaskCompletionSource _go = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> _asked = [];
    private WebApplication _gateway = null!;
    private IHost _relay = null!;
    private HttpClient _http = null!;

    public async ValueTask DisposeAsync()
    {
        _go.TrySetResult();
        _http.Dispose();
        _relay.Dispose();
        await _gateway.DisposeAsync();
    }

    [Fact]
    public async Task Sigterm_UnreadyFirst_ThenNoMoreConnections_AndWhatRunsEndsWell()
    {
        var ended = await StartAsync("--Relay:DrainSeconds=2", "--Relay:GraceSeconds=20");
        using (var ready = await _http.GetAsync(new Uri("readyz", UriKind.Relative)))
        {
            Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        }

        var running = AskAsync("runs");
        await RelayWorld.UntilAsync(() => Asked("runs"));
        _relay.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

        // Unready, and still taking what comes from whoever has not noticed.
        using (var ready = await _http.GetAsync(new Uri("readyz", UriKind.Relative)))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        }

        Assert.Equal(HttpStatusCode.OK, (await AskAsync("late")).Status);

        // Then no connection is taken, while the first one still runs.
        await RelayWorld.UntilAsync(() => !Connects());
        Assert.False(running.IsCompleted || ended.IsCompleted);
        _go.SetResult();
        Assert.Equal((HttpStatusCode.OK, "runs"), await running.WaitAsync(RelayWorld.Limit));
        await ended.WaitAsync(RelayWorld.Limit);
    }

    [Fact]
    public async Task Sigterm_AnAnswerThatDoesNotCome_HoldsTheProcessForItsGraceAndNoLonger()
    {
        var ended = await StartAsync("--Relay:DrainSeconds=0", "--Relay:GraceSeconds=1");
        var running = AskAsync("runs");
        await RelayWorld.UntilAsync(() => Asked("runs"));
        var began = TimeProvider.System.GetTimestamp();
        _relay.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        // The host tells that not all came to its end in time.
        await ((Task)ended).WaitAsync(RelayWorld.Limit).ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalSeconds, 0.9, 10);
        await Assert.ThrowsAnyAsync<Exception>(() => running.WaitAsync(RelayWorld.Limit));
    }

    /// <returns>Completes when the host has ended.</returns>
    private async Task<Task> StartAsync(params string[] settings)
    {
        var gateway = WebApplication.CreateSlimBuilder();
        gateway.Logging.ClearProviders();
        gateway.WebHost.UseUrls("http://127.0.0.1:0");
        _gateway = gateway.Build();
        _gateway.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var body = await reader.ReadToEndAsync();
            lock (_asked)
            {
                _asked.Add(body);
            }

            if (body == "runs")
            {
                await _go.Task.WaitAsync(context.RequestAborted);
            }

            await context.Response.WriteAsync(body);
        });
        await _gateway.StartAsync();

        var relay = FunctionsApplication.CreateBuilder(["--PORT=0", "--Host:Address=127.0.0.1", $"--Gateway:Address={_gateway.Urls.First()}", .. settings]);
        relay.ConfigureFunctionsWebApplication();
        relay.Logging.ClearProviders();
        var catalog = new CatalogFake(RelayRouterTests.Model("default", "bloom"));
        relay.Services.AddSingleton<ICatalog>(catalog).AddSingleton<ICatalogContact>(catalog).AddRelay(relay.Configuration).AddFunction<ReadinessFunction>();
        _relay = relay.Build();
        await _relay.StartAsync();
        _http = new() { BaseAddress = new(_relay.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First()), Timeout = RelayWorld.Limit };
        return _relay.WaitForShutdownAsync();
    }

    private async Task<(HttpStatusCode Status, string Body)> AskAsync(string body)
    {
        using var answer = await _http.PostAsync(new Uri("v1/models/bloom:predict", UriKind.Relative), new StringContent(body));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private bool Asked(string body)
    {
        lock (_asked)
        {
            return _asked.Contains(body);
        }
    }

    private bool Connects()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(_http.BaseAddress!.Host, _http.BaseAddress.Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
