using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Server = Prewarm.Sandbox.ApiServer.ApiServer;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>The sandbox's API server with the functions' own client on it, by a kubeconfig and over HTTPS as in a deployment.</summary>
internal sealed class ApiWorld : IAsyncDisposable
{
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(60));
    private readonly DirectoryInfo _home = Directory.CreateTempSubdirectory("api-world");

    public Server Server { get; private set; } = null!;

    public KubeApi Api { get; private set; } = null!;

    /// <summary>Everything a test does ends by then.</summary>
    public CancellationToken Deadline => _deadline.Token;

    public string Folder => _home.FullName;

    public async ValueTask StartAsync(ApiServerOptions? options = null)
    {
        Server = await Server.StartAsync(options ?? new(), Deadline);
        Api = Client(Server.AdminToken);
    }

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
        Api?.Dispose();
        await Server.DisposeAsync();
        _home.Delete(recursive: true);
        _deadline.Dispose();
    }
}
