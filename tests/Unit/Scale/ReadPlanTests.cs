using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Scale.Reads;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

public sealed class ReadPlanTests
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_loaded = ScaleWorld.Status("bloom").Versions![0].LoadedAt!.Value;

    [Fact]
    public void Due_WarmVersion_OnEachWorkersNodeThatTakesPods()
    {
        var due = ReadPlan.Due(Facts(), s_now);
        Assert.Equal(["node-1", "node-2"], due.Select(d => d.Node));
        Assert.Equal(2, due.Select(d => d.Job).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(due, ReadPlan.Due(Facts(), s_now.AddDays(1)));
        Assert.Equal(["node-1"], ReadPlan.Due(Facts() with { OpenNodes = ["node-1", "node-3"] }, s_now).Select(d => d.Node));
        Assert.Equal(ReadPlan.MaxNodes, ReadPlan.Due(Facts() with { WorkerNodes = [.. Many()], OpenNodes = [.. Many()] }, s_now).Count);
        static IEnumerable<string> Many() => Enumerable.Range(0, 100).Select(i => $"n{i}");
    }

    [Theory]
    [InlineData("cold")]
    [InlineData("waking")]
    [InlineData("serverless")]
    [InlineData("bytes")]
    [InlineData("unloaded")]
    public void Due_WhereAReadWouldFetchOrDisturb_None(string what)
    {
        var facts = Facts();
        switch (what)
        {
            case "cold":
                facts.Dataset!.Status!.CacheStates!["cached"] = "1.00MiB";
                break;
            case "waking":
                facts = facts with { Autoscaler = Waking() };
                break;
            case "serverless":
                facts.Model.Spec!.Serving.Platform = "ACKServerless";
                break;
            case "bytes":
                facts.Model.Spec!.Cache.Verify = "Bytes";
                break;
            default:
                facts.Version!.LoadedAt = null;
                break;
        }

        Assert.Empty(ReadPlan.Due(facts, s_now));
    }

    [Fact]
    public void Due_OnceRead_AgainOnlyAfterALoad_OrWhereTheWorkerStartedAgain()
    {
        var facts = Facts();
        var first = ReadPlan.Due(facts, s_now);
        facts.Model.Status!.Reads = [Read("node-1", "Passed"), Read("node-2", "Failed")];
        Assert.Empty(ReadPlan.Due(facts, s_now));

        var restarted = facts with { WorkerPods = [Worker("node-1", s_loaded.AddHours(1)), Worker("node-2", s_loaded.AddHours(-1))] };
        var again = Assert.Single(ReadPlan.Due(restarted, s_now));
        Assert.Equal("node-1", again.Node);
        Assert.DoesNotContain(again.Job, first.Select(f => f.Job));
        facts.Model.Status.Reads[0].At = s_loaded.AddHours(1);
        Assert.Empty(ReadPlan.Due(restarted, s_now));

        facts.Version!.LoadedAt = s_loaded.AddHours(2);
        Assert.Equal(2, ReadPlan.Due(restarted, s_now).Count);
        facts.Version.LoadedAt = s_loaded;
        facts.Model.Status.Reads.ForEach(r => r.Digest = "ffffffffffffffff");
        Assert.Equal(2, ReadPlan.Due(facts, s_now).Count);
    }

    [Theory]
    [InlineData("Complete", "1048576 100.00 100.02\n", "Passed", "1.00MiB in 0.02 s on node-1")]
    // The floor of 1 MiB/s, and a second for opening.
    [InlineData("Complete", "1048576 100.00 102.00", "Passed", "1.00MiB in 2.00 s on node-1")]
    [InlineData("Complete", "1048576 100.00 102.01", "Slow", "1.00MiB in 2.01 s on node-1, slower than 1MiB/s")]
    [InlineData("Failed", "524288 100.00 100.01", "Failed", "512.00KiB of 1.00MiB came on node-1")]
    [InlineData("Failed", "cat: read error", "Failed", "the read on node-1 told nothing: DeadlineExceeded late cat: read error")]
    [InlineData("Failed", "1048576 -1 2", "Failed", "the read on node-1 told nothing: DeadlineExceeded late 1048576 -1 2")]
    [InlineData("Failed", null, "Failed", "the read on node-1 told nothing: DeadlineExceeded late")]
    public void Result_OfAnEndedJob(string condition, string? message, string result, string text)
    {
        var facts = Facts();
        facts.Model.Spec!.Cache.ReadFloor = "1Mi";
        var read = ReadPlan.Result(Ended(condition), [Said(message)], facts.Model, facts.Version!, "node-1");
        Assert.Equal((result, text, "node-1", s_now), (read!.Result, read.Message, read.Node, read.At));
    }

    [Fact]
    public void Result_OfAJobThatRuns_None()
    {
        var facts = Facts();
        Assert.Null(ReadPlan.Result(new(), [], facts.Model, facts.Version!, "node-1"));
        // On its way there.
        Assert.Null(ReadPlan.Result(Ended("SuccessCriteriaMet"), [], facts.Model, facts.Version!, "node-1"));
    }

    [Theory]
    [InlineData("Passed", "Passed", "Local", "CopyOnEveryWorker", "; read: ")]
    [InlineData("Passed", null, "Local", "CopyOnEveryWorker", "; not read yet on node-2")]
    [InlineData("Passed", "Slow", "Remote", "ReadTooSlow", "a read came too slowly to be from them: said")]
    [InlineData("Failed", "Slow", "Unknown", "ReadFailed", "reading them failed: said")]
    public void Locality_ReadsOfTheNodes_HaveTheLastWord(string? first, string? second, string locality, string reason, string text)
    {
        var facts = Facts();
        facts.Model.Status!.Reads = [.. new[] { ("node-1", first), ("node-2", second) }.Where(r => r.Item2 is not null).Select(r => Read(r.Item1, r.Item2!))];
        var verdict = facts.Locality(s_now);
        Assert.Equal((locality, reason), (verdict.Locality.ToString(), verdict.Reason));
        Assert.Contains(text, verdict.Message, StringComparison.Ordinal);
        // Where the pod is, another node's read says nothing.
        var bound = facts with { Pods = [new() { Metadata = new() { Name = "p" }, Spec = new() { NodeName = "node-1" } }] };
        Assert.Equal(first == "Failed" ? Locality.Unknown : Locality.Local, bound.Locality(s_now).Locality);
        // What is missing by byte accounting stays missing.
        facts.Dataset!.Status!.CacheStates!["cached"] = "0.00B";
        Assert.Equal(Locality.Cold, facts.Locality(s_now).Locality);
        facts.Model.Spec!.Cache.Verify = "Bytes";
        facts.Dataset.Status.CacheStates["cached"] = "2.00MiB";
        Assert.Equal(Locality.Local, facts.Locality(s_now).Locality);
    }

    internal static ModelFacts Facts()
    {
        var model = ScaleWorld.Model("bloom");
        model.Metadata.Uid = "uid";
        model.Spec!.Cache.Verify = "Read";
        model.Status = ScaleWorld.Status("bloom");
        return new(model)
        {
            Version = model.Status.Versions![0],
            Dataset = new() { Metadata = new() { Name = "d" }, Status = new() { Phase = "Bound", CacheStates = new() { ["cached"] = "2.00MiB" } } },
            Runtime = new() { Status = new() { WorkerPhase = "Ready" } },
            WorkerNodes = ["node-1", "node-2"],
            OpenNodes = ["node-1", "node-2", "node-3"],
            CacheSeen = true,
        };
    }

    private static ReadStatus Read(string node, string result) => new() { Node = node, Digest = ScaleWorld.Digest, Result = result, Message = "said", At = s_loaded.AddMinutes(1) };

    private static Pod Worker(string node, DateTimeOffset started) => new() { Metadata = new() { Name = "w-" + node, CreationTimestamp = started }, Spec = new() { NodeName = node } };

    private static Job Ended(string condition) => new()
    {
        Metadata = new() { CreationTimestamp = s_now },
        Status = new() { Conditions = [new() { Type = condition, Status = "True", Reason = "DeadlineExceeded", Message = "late" }] },
    };

    private static Pod Said(string? message) => new()
    {
        Status = new() { ContainerStatuses = [new() { Name = "istio-proxy", State = new() { Terminated = new() { Message = "1 1 1" } } }, new() { Name = ReadJob.Container, State = new() { Terminated = new() { Message = message } } }] },
    };

    private static PodAutoscaler Waking() => new()
    {
        Status = new() { DesiredScale = 1, ActualScale = 0, Conditions = [new() { Type = "Active", Status = "Unknown", Reason = "Queued" }, new() { Type = "ScaleTargetInitialized", Status = "True" }] },
    };
}
