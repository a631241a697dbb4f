using Microsoft.AspNetCore.Builder;
using Microsoft.Azure.Functions.Worker.Invocation;
using Microsoft.Azure.Functions.Worker.Middleware;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Microsoft.Azure.Functions.Worker.Builder;

/// <summary>Builds a functions app. Isolated-worker style: the surface is the worker's, the server below is Kestrel in this process.</summary>
public sealed class FunctionsApplicationBuilder : IHostApplicationBuilder, IFunctionsWorkerApplicationBuilder
{
    private readonly WebApplicationBuilder _web;
    private readonly List<Func<FunctionExecutionDelegate, FunctionExecutionDelegate>> _middleware = [];
    private bool _built;

    internal FunctionsApplicationBuilder(string[] args)
    {
        // Settings come from the environment and do not change while a container runs: a watch on appsettings.json is a thread and one of a node's
        // few inotify instances for nothing. The builder asks for this before it reads anything else.
        const string reload = "ASPNETCORE_hostBuilder__reloadConfigOnChange";
        if (System.Environment.GetEnvironmentVariable(reload) is null)
        {
            System.Environment.SetEnvironmentVariable(reload, "false");
        }

        // A single dash is no setting, and -x=1 would end the program here, before its command line could say so.
        _web = WebApplication.CreateSlimBuilder([.. args.Where(a => !a.StartsWith('-') || a.StartsWith("--", StringComparison.Ordinal))]);
    }

    /// <inheritdoc/>
    public IConfigurationManager Configuration => _web.Configuration;

    /// <inheritdoc/>
    public IHostEnvironment Environment => _web.Environment;

    /// <inheritdoc/>
    public ILoggingBuilder Logging => _web.Logging;

    /// <inheritdoc/>
    public IMetricsBuilder Metrics => _web.Metrics;

    /// <inheritdoc cref="IHostApplicationBuilder.Services"/>
    public IServiceCollection Services => _web.Services;

    /// <inheritdoc/>
    public IDictionary<object, object> Properties => ((IHostApplicationBuilder)_web).Properties;

    internal bool WebApplicationConfigured { get; set; }

    /// <inheritdoc/>
    public void ConfigureContainer<TContainerBuilder>(
        IServiceProviderFactory<TContainerBuilder> factory, Action<TContainerBuilder>? configure = null)
        where TContainerBuilder : notnull
        => ((IHostApplicationBuilder)_web).ConfigureContainer(factory, configure);

    /// <inheritdoc/>
    public IFunctionsWorkerApplicationBuilder Use(Func<FunctionExecutionDelegate, FunctionExecutionDelegate> middleware)
    {
        _middleware.Add(middleware);
        return this;
    }

    /// <summary>Builds the host. Once only.</summary>
    /// <exception cref="InvalidOperationException">Called twice, <c>ConfigureFunctionsWebApplication()</c> was not called,
    /// a setting is invalid, or FUNCTIONS names a function that does not exist.</exception>
    public IHost Build()
    {
        if (_built)
        {
            throw new InvalidOperationException("Build can only be called once.");
        }

        if (!WebApplicationConfigured)
        {
            throw new InvalidOperationException(
                "Only the ASP.NET Core integration is supported: call ConfigureFunctionsWebApplication() before Build().");
        }

        _built = true;
        var listen = ListenOptions.Read(Configuration);
        var prefix = RoutePrefix.Read(Configuration, Environment.ContentRootPath);
        var functions = FunctionSelection.Select(Services.GetFunctions(), Configuration["FUNCTIONS"], Services.GetFunctionGroups());

        var singletons = Services.Where(s => s.Lifetime == ServiceLifetime.Singleton && !s.IsKeyedService).Select(s => s.ServiceType).ToHashSet();

        listen.Apply(_web.WebHost);
        var app = _web.Build();
        FunctionEndpoints.Map(app, functions, prefix, _middleware, listen, singletons);
        return app;
    }
}
