using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Tests.Benchmarks.Line;

/// <summary>Brings many models to Serving, Fluid's and KServe's part played with a status each and nothing behind it.</summary>
internal sealed class Fleet(LineWorldOnServer world, int count)
{
    private const string Ns = LineWorldOnServer.Namespace;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    public async Task ServeAsync(CancellationToken cancellationToken)
    {
        var names = Enumerable.Range(0, count).Select(i => $"model-{i.ToString("0000", CultureInfo.InvariantCulture)}").ToArray();
        foreach (var some in names.Chunk(20))
        {
            await Task.WhenAll(some.Select(n => OneAsync(n, cancellationToken)));
            Console.Error.WriteLine($"{some[^1]} serves");
        }
    }

    private async Task OneAsync(string name, CancellationToken cancellationToken)
    {
        var api = world.Api;
        await world.UploadAsync(name, cancellationToken);
        await world.MarkAsync(name, cancellationToken);
        await world.MakeModelAsync(name, cancellationToken);
        var version = (await UntilAsync(name, v => v.State == VersionState.Warming, cancellationToken))!;
        await api.MergePatchAsync(FluidKinds.Datasets, Ns, version.Dataset!, """{"status":{"phase":"Bound","conditions":[],"ufsTotal":"1.00MiB","cacheStates":{"cached":"2.00MiB","cacheCapacity":"100.00GiB","cachedPercentage":"100.0%"}}}""", "status", cancellationToken);
        await api.MergePatchAsync(FluidKinds.JindoRuntimes, Ns, version.Dataset!, """{"status":{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}}""", "status", cancellationToken);
        await api.MergePatchAsync(FluidKinds.DataLoads, Ns, version.DataLoad!, """{"status":{"phase":"Complete","duration":"45s","conditions":[{"type":"Complete","status":"True","reason":"DataLoadJobCompleted","message":"","lastProbeTime":"2026-11-24T08:00:00Z","lastTransitionTime":"2026-11-24T08:00:00Z"}]}}""", "status", cancellationToken);
        version = (await UntilAsync(name, v => v.State == VersionState.Warm, cancellationToken))!;
        var revision = $"{name}-predictor-00001";
        await api.CreateAsync(Kinds.Revisions, Ns, new()
        {
            ["apiVersion"] = Kinds.Revisions.ApiVersion,
            ["kind"] = Kinds.Revisions.Kind,
            ["metadata"] = new JsonObject
            {
                ["name"] = revision, ["namespace"] = Ns,
                ["annotations"] = new JsonObject { [Ownership.DigestAnnotation] = version.Digest },
            },
        }, cancellationToken);
        await api.MergePatchAsync(Kinds.Revisions, Ns, revision, """{"status":{"conditions":[{"type":"Ready","status":"True"}]}}""", "status", cancellationToken);
        await api.MergePatchAsync(ServingKinds.InferenceServices, Ns, name, $$"""
            {"status":{"url":"http://{{name}}.{{Ns}}.example.com","conditions":[{"type":"Ready","status":"True"},{"type":"PredictorReady","status":"True"},{"type":"IngressReady","status":"True"}],
             "components":{"predictor":{"latestCreatedRevision":"{{revision}}","latestReadyRevision":"{{revision}}","latestRolledoutRevision":"{{revision}}",
              "traffic":[{"revisionName":"{{revision}}","latestRevision":true,"percent":100,"tag":"latest"}] } } } }
            """, "status", cancellationToken);
        await UntilAsync(name, v => v.State == VersionState.Serving, cancellationToken);
    }

    /// <summary>The functions look by themselves at what is on its way.</summary>
    private async Task<VersionStatus?> UntilAsync(string name, Func<VersionStatus, bool> reached, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        while (true)
        {
            var model = await world.Api.GetAsync(CatalogKinds.CachedModels, Ns, name, either.Token);
            if (model?.Status?.Versions?.Find(v => reached(v)) is { } version)
            {
                return version;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, either.Token);
        }
    }
}
