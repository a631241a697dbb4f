namespace Prewarm.Sandbox.Running;

/// <summary><c>sandbox up</c>: everything runs, nothing is played.</summary>
internal static class UpCommand
{
    public static async Task<int> RunAsync(SandboxOptions options, bool json, CancellationToken cancellationToken)
    {
        await using var system = await SandboxSystem.StartAsync(options, json ? static _ => { } : part => Console.WriteLine($"starting {part}"), cancellationToken);
        Console.WriteLine(json ? system.Describe() : Where(system));
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C or SIGTERM.
        }

        return 0;
    }

    /// <summary>Where to look, for a person.</summary>
    public static string Where(SandboxSystem system) => $"""

        kubectl      export KUBECONFIG={system.Kubeconfig}
                     kubectl get cachedmodels,dataset,jindoruntime,dataload,inferenceservice -A
        predictions  {system.Functions.Relay}v1/models   (the relay; POST /v1/models/NAME:predict)
        metrics      {system.Functions.Line}metrics
        model API    {system.Functions.Operate}api/models
        gateway      {system.Cluster.Gateway.Address}   (the mesh; Host: NAME.NAMESPACE.example.com)
        object store {system.Store.Endpoint}   bucket {system.Bucket}, key {system.Store.AccessKeyId}, secret {system.Store.AccessKeySecret}
        logs         {system.Root}/*.log
        """;
}
