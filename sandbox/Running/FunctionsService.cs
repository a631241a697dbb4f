namespace Prewarm.Sandbox.Running;

/// <summary>The functions at one address, in one process or in several.</summary>
internal sealed class FunctionsService : IFunctions
{
    private readonly IReadOnlyList<FunctionsKeeper> _replicas;
    private readonly ReplicaBalancer? _balancer;

    private FunctionsService(IReadOnlyList<FunctionsKeeper> replicas, ReplicaBalancer? balancer) => (_replicas, _balancer) = (replicas, balancer);

    /// <summary>Where all requests go: the one process itself, or what stands before several.</summary>
    private Uri Address => _balancer?.Address ?? _replicas[0].Address;

    public Uri Relay => Address;

    public Uri Uploads => Address;

    public Uri Operate => Address;

    public Uri Line => Address;

    /// <summary>The first replica's process.</summary>
    public int? Id => _replicas[0].Id;

    public int Restarts => _replicas.Sum(r => r.Restarts);

    /// <param name="replicas">Processes, each with every function.</param>
    /// <param name="folder">Takes a log for each.</param>
    public static async Task<FunctionsService> StartAsync(int replicas, string? binary, IReadOnlyDictionary<string, string> environment, string folder, TimeSpan killEvery, Action<string> tell,
        TimeProvider time, CancellationToken cancellationToken)
    {
        var keepers = new List<FunctionsKeeper>();
        try
        {
            for (var i = 0; i < replicas; i++)
            {
                keepers.Add(await FunctionsKeeper.StartAsync(binary, environment, Path.Combine(folder, i == 0 ? "functions.log" : $"functions-{i + 1}.log"), killEvery, tell, time, cancellationToken));
            }

            return new(keepers, replicas > 1 ? await ReplicaBalancer.StartAsync([.. keepers.Select(k => k.Address)], cancellationToken) : null);
        }
        catch
        {
            await new FunctionsService(keepers, null).DisposeAsync();
            throw;
        }
    }

    public void Kill()
    {
        foreach (var replica in _replicas)
        {
            replica.Kill();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_balancer is not null)
        {
            await _balancer.DisposeAsync();
        }

        foreach (var replica in _replicas)
        {
            await replica.DisposeAsync();
        }
    }
}
