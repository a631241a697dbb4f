using System.Globalization;
using CsCheck;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>Whatever happens to a model in whatever order, what the line promises holds after every step.</summary>
public class LinePropertyTests
{
    private const int Versions = 4;
    private const int Histories = 300;

    private static readonly Gen<(int Kind, int Version)> Step = Gen.Select(Gen.Int[0, 31], Gen.Int[1, Versions], (kind, version) => (kind, version));

    [Fact]
    public void Line_AnyHistory_KeepsItsPromises()
    {
        var (takeovers, rollbacks) = (0, 0);
        Step.List[1, 80].Sample(history => Run(history, ref takeovers, ref rollbacks), iter: Histories, threads: 1, print: h => string.Join(" ", h.Select(s => $"({s.Kind}, {s.Version})")));
        // Histories in which nothing ever serves would prove nothing.
        Assert.InRange(takeovers, Histories / 10, int.MaxValue);
        Assert.InRange(rollbacks, 1, int.MaxValue);
    }

    /// <summary>A version whose revision was made at 0 % starts again, because its bytes changed, while another serves: for once its revision had all traffic.</summary>
    [Fact]
    public void Line_VersionStartsAgainBesideItsRevision_ThatGetsNoTraffic()
    {
        const string history = """
            28,4 16,4 0,3 18,1 1,3 20,1 9,4 28,2 1,4 9,3 30,4 8,1 22,1 4,1 11,4 28,3 25,3 19,2 22,1 29,2 24,4 11,4 0,4 22,3 28,4 17,4
            16,2 11,3 21,3 8,3 22,2 26,3 9,4 1,1 18,4 20,2 14,3 15,1 26,4 3,2 30,3 22,3 14,2 4,4 13,4 1,1 21,4 11,4 2,1 14,3 21,3 7,3
            2,2 13,1 8,3 11,3 25,2 10,3 4,4 10,3 1,1 14,1 21,1 0,3 16,4 12,4 31,2 15,3 25,2 18,2 14,3 25,1 2,3 5,1 10,4 11,3
            """;
        var (takeovers, rollbacks) = (0, 0);
        Run([.. history.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(s => s.Split(',')).Select(s => (int.Parse(s[0], CultureInfo.InvariantCulture), int.Parse(s[1], CultureInfo.InvariantCulture)))],
            ref takeovers, ref rollbacks);
        Assert.InRange(takeovers, 1, int.MaxValue);
    }

    private static void Run(List<(int Kind, int Version)> history, ref int takeovers, ref int rollbacks)
    {
        var world = new LineWorld();
        world.Model.Spec!.Cache.KeepVersions = 2;
        var served = false;
        foreach (var (kind, version) in history)
        {
            var before = world.Model.Status?.Version;
            Play(world, kind, $"v{version}");
            world.Settle();
            Check(world, before, ref served);
            takeovers += before is not null && world.Model.Status!.Version != before ? 1 : 0;
            rollbacks += before is not null && world.Model.Status!.Version != before && world.Version(before) is { Withdrawn: true } ? 1 : 0;
        }
    }

    private static void Check(LineWorld world, string? before, ref bool served)
    {
        // A second look does nothing and says the same.
        var again = world.Plan();
        Assert.DoesNotContain(again.Actions, a => a is not LineAction.Prove);
        Assert.True(LinePlanner.Same(world.Model.Status, again.Status), "the status of a second look differs");

        // What once served goes on serving until another version does.
        var status = world.Model.Status!;
        served |= status.Version is not null;
        Assert.Equal(served, status.Version is not null);
        Assert.InRange(status.Versions?.Count(v => v.State == VersionState.Serving) ?? 0, 0, 1);

        // Nothing unproven is given the traffic of something that serves.
        if (world.Service is { } service && status.Version is not null && service.Spec!.Predictor!["canaryTrafficPercent"] is null)
        {
            var described = status.Versions!.Find(v => v.Digest == service.Metadata.Annotations![Ownership.DigestAnnotation]);
            Assert.True(described is { State: VersionState.Serving } or { Golden: "Passed" or "None" }, $"{described?.Name} is {described?.State}, golden {described?.Golden}");
            Assert.False(service.Metadata.Annotations!.ContainsKey(ServingObjects.StopAnnotation), "the service is stopped although a version serves");
        }

        if (status.Version != before && before is not null)
        {
            Assert.Contains(status.Versions!.Find(v => v.Name == status.Version)!.Golden, (string[])["Passed", "None"]);
        }

        // Caches are bounded, and no two loads of one version run.
        Assert.InRange(world.Datasets.Count, 0, world.Model.Spec!.Cache.KeepVersions + 2);
        Assert.All(world.Loads.GroupBy(l => l.Metadata.Annotations![Ownership.DigestAnnotation]), g => Assert.InRange(g.Count(l => l.Status?.Phase != "Failed"), 0, 1));
    }

    /// <summary>The next good thing for the version on its way, as a healthy cluster would do it.</summary>
    private static void GoOn(LineWorld world)
    {
        if (world.Model.Status?.Versions?.FindLast(v => v.State is VersionState.Warming or VersionState.Warm) is not { } next)
        {
            return;
        }

        var described = world.Service?.Metadata.Annotations?[Ownership.DigestAnnotation] == next.Digest;
        var ready = world.Plan().Actions.OfType<LineAction.Prove>().Any();
        if (next.State == VersionState.Warming)
        {
            Play(world, 3, next.Name);
        }
        else
        {
            Play(world, ready ? 9 : described && next.Golden is not null ? 11 : 6, next.Name);
        }
    }

    private static void Play(LineWorld world, int kind, string version)
    {
        var known = world.Model.Status?.Versions?.Find(v => v.Name == version);
        var loading = known?.DataLoad is { } load && world.Loads.Exists(l => l.Metadata.Name == load);
        var rolling = known is { State: VersionState.Warm } && world.Service?.Metadata.Annotations?[Ownership.DigestAnnotation] == known.Digest;
        switch (kind)
        {
            case 0:
                world.Upload(version, complete: false);
                break;
            case 1 or 2:
                world.Upload(version, golden: kind == 2);
                break;
            case 3 or 4 when loading && world.Datasets.Exists(d => d.Metadata.Name == known!.Dataset):
                world.MakeWarm(version);
                break;
            case 5 when loading && known!.State == VersionState.Warming:
                world.FailLoad(version);
                break;
            case 6 or 7 when rolling:
                world.RevisionReady(version);
                break;
            case 8 when rolling:
                world.RevisionFailed();
                break;
            case 9 when known is { State: VersionState.Warm, Golden: null }:
                world.Golden(version, "Passed");
                break;
            case 10 when known is { State: VersionState.Warm, Golden: null }:
                world.Golden(version, "Failed");
                break;
            case 11 when rolling && known is { Golden: "Passed" or "None" } && world.Service!.Status is not null && world.Service.Spec!.Predictor!["canaryTrafficPercent"] is null:
                world.TrafficMoved();
                break;
            case > 17:
                GoOn(world);
                break;
            case 16 or 17:
                world.Annotate(VersionChoice.PausedAnnotation, null);
                world.Annotate(VersionChoice.PinAnnotation, null);
                break;
            case 12:
                world.Now = world.Now.AddMinutes(7);
                break;
            case 13:
                world.Annotate(VersionChoice.PausedAnnotation, world.Model.Metadata.Annotations?.ContainsKey(VersionChoice.PausedAnnotation) == true ? null : "true");
                break;
            case 14:
                world.Annotate(VersionChoice.PinAnnotation, world.Model.Metadata.Annotations?.ContainsKey(VersionChoice.PinAnnotation) == true ? null : version);
                break;
            case 15 when known?.Digest is { } digest:
                var name = digest[0] % 2 == 0 ? VersionChoice.RetryAnnotation : VersionChoice.RollbackAnnotation;
                name = world.Model.Status!.Versions!.Exists(v => v.State == VersionState.Refused) ? VersionChoice.RetryAnnotation : name;
                world.Annotate(name, name == VersionChoice.RetryAnnotation ? digest : world.Now.Minute % 2 == 0 ? "previous" : version);
                break;
        }
    }
}
