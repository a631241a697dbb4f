using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale.Reads;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

/// <summary>The Job that reads: its script under a real shell, its rights, and the loop that makes it, on the API server.</summary>
public sealed class ReadJobTests : IAsyncLifetime
{
    private readonly ScaleWorld _world = new();

    public ValueTask InitializeAsync() => _world.Server.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Script_ReadsEveryFile_AndSaysHowMuchInWhichTime(bool whole)
    {
        var folder = Directory.CreateTempSubdirectory("read-");
        try
        {
            folder.CreateSubdirectory("models/a b");
            await File.WriteAllBytesAsync(Path.Combine(folder.FullName, "models", "a b", "-x$(touch y).safetensors"), new byte[700_000], _world.Deadline);
            await File.WriteAllBytesAsync(Path.Combine(folder.FullName, "models", "config.json"), new byte[348_576], _world.Deadline);
            var facts = ReadPlanTests.Facts();
            facts.Version!.Bytes = 1_048_576 + (whole ? 0 : 1);
            var said = Path.Combine(folder.FullName, "said");
            var start = new ProcessStartInfo("sh") { WorkingDirectory = folder.FullName };
            start.ArgumentList.Add("-c");
            start.ArgumentList.Add(ReadJob.Script);
            (start.Environment["FROM"], start.Environment["TO"], start.Environment[ReadJob.BytesVariable]) = (Path.Combine(folder.FullName, "models") + "/", said, $"{facts.Version.Bytes}");
            using var process = Process.Start(start)!;
            await process.WaitForExitAsync(_world.Deadline);
            Assert.Equal(whole, process.ExitCode == 0);
            var job = new Job { Status = new() { Conditions = [new() { Type = whole ? "Complete" : "Failed", Status = "True" }] } };
            var read = ReadPlan.Result(job, [Pod(await File.ReadAllTextAsync(said, _world.Deadline))], facts.Model, facts.Version, "node-1")!;
            Assert.Equal((whole ? "Passed" : "Failed", 1_048_576L), (read.Result, read.Bytes));
            Assert.False(File.Exists(Path.Combine(folder.FullName, "y")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Job_IsSmall_HasNoRights_AndMountsWhatThePodMounts()
    {
        var facts = ReadPlanTests.Facts();
        var due = ReadPlan.Due(facts, DateTimeOffset.UnixEpoch.AddYears(60))[0];
        var spec = ReadJob.Of(facts.Model, facts.Version!, due.Node, due.Job, "registry/busybox:1").Spec!;
        var pod = spec.At("template", "spec");
        var container = pod.At("containers").Objects().Single();
        Assert.Equal((0, ReadJob.TimeToLive, ReadJob.Deadline), (spec.Number("backoffLimit"), spec.Number("ttlSecondsAfterFinished"), spec.Number("activeDeadlineSeconds")));
        Assert.Equal(("true", "65532", "RuntimeDefault", "false"), (pod.Text("securityContext", "runAsNonRoot"), pod.Text("securityContext", "runAsUser"), pod.Text("securityContext", "seccompProfile", "type"), pod.Text("automountServiceAccountToken")));
        Assert.Equal(("false", "true", "ALL"), (container.Text("securityContext", "allowPrivilegeEscalation"), container.Text("securityContext", "readOnlyRootFilesystem"), container.At("securityContext", "capabilities", "drop")![0]!.ToString()));
        Assert.NotNull(container.Text("resources", "limits", "memory"));
        Assert.Equal("registry/busybox:1", container.Text("image"));
        var mount = container.At("volumeMounts").Objects().Single();
        Assert.Equal((ReadJob.MountPath, "bloom", "true"), (mount.Text("mountPath"), mount.Text("subPath"), mount.Text("readOnly")));
        Assert.Equal(ScaleWorld.Dataset("bloom"), pod.At("volumes").Objects().Single().Text("persistentVolumeClaim", "claimName"));
        Assert.Contains("\"values\":[\"node-1\"]", pod.At("affinity")!.ToJsonString(), StringComparison.Ordinal);
        // Its pods' names grow from it.
        var longest = ReadPlanTests.Facts();
        longest.Model.Metadata.Name = new string('m', 253);
        longest.Version!.Dataset = Functions.Warm.FluidNames.Dataset(longest.Model.Metadata.Name, ScaleWorld.Digest);
        Assert.InRange(ReadPlan.Due(longest, DateTimeOffset.UnixEpoch.AddYears(60))[0].Job.Length, 1, 57);
    }

    [Fact]
    public async Task Loop_OneAfterTheOther_TheirResultsOnTheStatus_AndInTheVerdict_NoneTwice()
    {
        var key = await _world.ServeAsync("bloom", ["node-1", "node-2"], change: m => m.Spec!.Cache.Verify = "Read");
        await _world.WatchAsync();
        await _world.Server.UntilAsync(() => _world.Board.Of(key).Locality.Locality == Functions.Warm.Locality.Local);
        using var loop = new ReadLoop(_world.Board, _world.Api, Options.Create(new Functions.Scale.ScaleOptions()), TimeProvider.System, NullLogger<ReadLoop>.Instance);
        for (var i = 1; i <= 2; i++)
        {
            Assert.True(await loop.TickAsync(_world.Deadline));
            Assert.True(await loop.TickAsync(_world.Deadline));
            var jobs = await JobsAsync();
            Assert.Equal(i, jobs.Count);
            await EndAsync(jobs.Single(j => j.At("status", "conditions") is null));
            await loop.TickAsync(_world.Deadline);
            await _world.Server.UntilAsync(() => _world.Board.All(_ => true).Single().Model.Status!.Reads?.Count == i);
        }

        Assert.False(await loop.TickAsync(_world.Deadline));
        Assert.Equal(2, (await JobsAsync()).Count);
        var reads = (await _world.Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, _world.Deadline))!.Status!.Reads!;
        Assert.Equal([("node-1", "Passed", "v1"), ("node-2", "Passed", "v1")], reads.Select(r => (r.Node, r.Result, r.Version!)));
        Assert.Contains("read: 1.00MiB in 0.50 s on node-1", _world.Board.All(_ => true).Single().Locality(TimeProvider.System.GetUtcNow()).Message, StringComparison.Ordinal);
        // What other writers say is untouched.
        Assert.Equal("v1", (await _world.Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, _world.Deadline))!.Status!.Version);
    }

    [Fact]
    public async Task Loop_ManyModels_FourReadsAtATime()
    {
        foreach (var name in (string[])["a", "b", "c", "d", "e", "f"])
        {
            await _world.ServeAsync(name, ["node-1", "node-2"], change: m => m.Spec!.Cache.Verify = "Read");
        }

        await _world.WatchAsync();
        await _world.Server.UntilAsync(() => _world.Board.All(_ => true).Count(f => ReadPlan.Due(f, TimeProvider.System.GetUtcNow()).Count == 2) == 6);
        using var loop = new ReadLoop(_world.Board, _world.Api, Options.Create(new Functions.Scale.ScaleOptions()), TimeProvider.System, NullLogger<ReadLoop>.Instance);
        await loop.TickAsync(_world.Deadline);
        await loop.TickAsync(_world.Deadline);
        var jobs = await JobsAsync();
        Assert.Equal(ReadLoop.MaxRunning, jobs.Count);
        Assert.Equal(ReadLoop.MaxRunning, jobs.Select(j => j.Text("metadata", "labels", Ownership.ModelLabel)).Distinct(StringComparer.Ordinal).Count());
    }

    private async Task<IReadOnlyList<JsonObject>> JobsAsync() => (await _world.Api.ListAsync(Kinds.Jobs, ScaleWorld.Ns, null, _world.Deadline)).Items;

    /// <summary>The kubelet's and the Job controller's part.</summary>
    private async Task EndAsync(JsonObject job)
    {
        await _world.Api.CreateAsync(Kinds.Pods, ScaleWorld.Ns, new()
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject { ["name"] = job.Name() + "-x", ["labels"] = job.At("spec", "template", "metadata", "labels")!.DeepClone() },
            ["spec"] = job.At("spec", "template", "spec")!.DeepClone(),
            ["status"] = JsonNode.Parse("""{"phase":"Succeeded","containerStatuses":[{"name":"read","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0,"message":"1048576 1.00 1.50\n"} } }]}"""),
        }, _world.Deadline);
        await _world.Api.MergePatchAsync(Kinds.Pods, ScaleWorld.Ns, job.Name() + "-x", """{"status":{"phase":"Succeeded","containerStatuses":[{"name":"read","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0,"message":"1048576 1.00 1.50\n"} } }]}}""", "status", _world.Deadline);
        await _world.Api.MergePatchAsync(Kinds.Jobs, ScaleWorld.Ns, job.Name(), """{"status":{"succeeded":1,"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-11-24T00:00:00Z"}]}}""", "status", _world.Deadline);
    }

    private static Functions.Kubernetes.Pod Pod(string said) =>
        new() { Status = new() { ContainerStatuses = [new() { Name = ReadJob.Container, State = new() { Terminated = new() { Message = said } } }] } };
}
