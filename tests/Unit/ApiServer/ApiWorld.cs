using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Server = Prewarm.Sandbox.ApiServer.ApiServer;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>
/// The sandbox's API server with the functions' own client on it, by a kubeconfig and over HTTPS as in a deployment.
/// With <c>PREWARM_TEST_KUBECONFIG</c> a test that says <see cref="OnAnyAsync"/> runs on that API server instead: the same tests hold both.
/// </summary>
internal sealed class ApiWorld(TimeSpan? limit = null) : IAsyncDisposable
{
    private readonly CancellationTokenSource _deadline = new(limit ?? TimeSpan.FromSeconds(60));
    private readonly DirectoryInfo _home = Directory.CreateTempSubdirectory("api-world");

    public Server Server { get; private set; } = null!;

    public KubeApi Api { get; private set; } = null!;

    /// <summary>Everything a test does ends by then.</summary>
    public CancellationToken Deadline => _deadline.Token;

    public string Folder => _home.FullName;

    /// <summary>Where a test's objects live: an own namespace on a server that others use as well.</summary>
    public string Namespace { get; private set; } = "default";

    /// <summary>The server is not the sandbox's.</summary>
    public bool Foreign { get; private set; }

    public async ValueTask StartAsync(ApiServerOptions? options = null)
    {
        Server = await Server.StartAsync(options ?? new(), Deadline);
        Api = Client(Server.AdminToken);
    }

    /// <summary>Starts on the server that <c>PREWARM_TEST_KUBECONFIG</c> names, else on the sandbox's.</summary>
    public async ValueTask OnAnyAsync(ApiServerOptions? options = null)
    {
        if (Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG") is not { Length: > 0 } kubeconfig)
        {
            await StartAsync(options);
            return;
        }

        Foreign = true;
        Namespace = $"conformance-{Guid.NewGuid():N}"[..24];
        Api = new(KubeApiFactory.CreateHttpClient(kubeconfig));
        await Api.CreateAsync(Kinds.Namespaces, null, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, Deadline);
    }

    /// <summary>A bare HTTP client of the administrator.</summary>
    public HttpClient Http() => Foreign ? KubeApiFactory.CreateHttpClient(Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG")) : Server.CreateClient();

    /// <summary>The administrator's kubeconfig.</summary>
    public string AdminKubeconfig => Foreign ? Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG")! : Server.WriteKubeconfig(Path.Combine(_home.FullName, "admin"));

    /// <summary>For what only the sandbox's server lets a test do.</summary>
    public void OnlyOnTheSandbox(string why) => Xunit.Assert.SkipWhen(Foreign, why);

    public KubeApi Client(string token) =>
        new(KubeApiFactory.CreateHttpClient(Server.WriteKubeconfig(Path.Combine(_home.FullName, $"config-{Guid.NewGuid():N}"), token)));

    public JsonObject Dataset(string name) =>
        new() { ["apiVersion"] = "data.fluid.io/v1alpha1", ["kind"] = "Dataset", ["metadata"] = new JsonObject { ["name"] = name }, ["spec"] = new JsonObject() };

    /// <summary>Waits for a condition; the deadline ends a wait in vain.</summary>
    public async Task UntilAsync(Func<Task<bool>> condition)
    {
        while (!await condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Deadline);
        }
    }

    public Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    public async ValueTask DisposeAsync()
    {
        if (Foreign)
        {
            await Api.DeleteAsync(Kinds.Namespaces, null, Namespace, null, false, CancellationToken.None);
        }

        Api?.Dispose();
        await (Server?.DisposeAsync() ?? ValueTask.CompletedTask);
        _home.Delete(recursive: true);
        _deadline.Dispose();
    }
}
