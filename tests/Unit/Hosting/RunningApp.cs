using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Prewarm.Tests.Unit.Hosting;

/// <summary>A really started host on a free loopback port, and a client for it.</summary>
internal sealed class RunningApp : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private readonly IHost _host;

    private RunningApp(IHost host, LogFake log)
    {
        _host = host;
        Log = log;
        var addresses = host.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>();
        Address = addresses.Addresses.First();
        H2cAddress = addresses.Addresses.Skip(1).SingleOrDefault();
        Client = new HttpClient { BaseAddress = new Uri(Address), Timeout = Deadline };
    }

    public string Address { get; }

    /// <summary>The port of its own for h2c; null: there is none.</summary>
    public string? H2cAddress { get; }

    public HttpClient Client { get; }

    public LogFake Log { get; }

    public static FunctionsApplicationBuilder Builder(params string[] args)
    {
        var builder = FunctionsApplication.CreateBuilder(args);
        builder.ConfigureFunctionsWebApplication();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(new Greeting("hello"));
        builder.Services.AddFunction<SpecimenFunctions>();
        return builder;
    }

    public static string[] Direct(params string[] more) =>
        ["--PORT=0", "--Host:Address=127.0.0.1", "--AzureFunctionsJobHost:extensions:http:routePrefix=fn", .. more];

    public static Task<RunningApp> StartAsync(params string[] args) => StartAsync(Builder(args));

    public static async Task<RunningApp> StartAsync(FunctionsApplicationBuilder builder)
    {
        var log = new LogFake();
        builder.Logging.AddProvider(log);
        var host = builder.Build();
        await host.StartAsync().WaitAsync(Deadline);
        return new(host, log);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _host.StopAsync().WaitAsync(Deadline);
        _host.Dispose();
    }
}
