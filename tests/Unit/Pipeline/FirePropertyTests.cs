using System.Text.Json;
using CsCheck;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>Two replicas at once, killed between any two writes, deciding on what they read before: the promises hold at every moment and the end is the same.</summary>
public class FirePropertyTests
{
    private const int Histories = 60;
    private static readonly string[] s_versions = ["v1", "v2", "v3"];

    private static readonly Gen<Character> s_character = Gen.Select(Gen.Int[0, 2], Gen.Int[0, 5], Gen.Int[0, 4], Gen.Int[0, 4],
        (failures, warms, starts, golden) => new Character(failures, warms > 0, starts > 0, golden switch { 0 => false, < 3 => null, _ => true }));

    private static readonly Gen<(Character[] Characters, int[][] Steps)> s_history = Gen.Select(s_character.Array[3], Gen.Int[0, 11_999].Array[0, 150].Array[3], (c, s) => (c, s));

    [Fact]
    public void TwoReplicas_AnyOrderAndCrashes_SameEnd() => SameEnd(Histories);

    /// <summary>As many histories as 50 runs of the test beside it have: some minutes.</summary>
    [Fact(Explicit = true)]
    public void TwoReplicas_AnyOrderAndCrashes_SameEndInManyHistories() => SameEnd(50 * Histories);

    private static void SameEnd(int histories)
    {
        var conflicts = 0;
        s_history.Sample(history =>
        {
            var expected = End(Run(history.Characters, [[], [], []], false));
            var world = Run(history.Characters, history.Steps, false);
            conflicts += world.Conflicts;
            Assert.Equal(expected, End(world));
        }, iter: histories, threads: 1, print: Print);
        // Replicas that never meet would prove nothing.
        Assert.InRange(conflicts, histories, int.MaxValue);
    }

    [Fact]
    public void TwoReplicas_SomebodyDeletesOurObjects_SameVersionServesFromItsCache() => SameVersion(Histories);

    /// <inheritdoc cref="TwoReplicas_AnyOrderAndCrashes_SameEndInManyHistories"/>
    [Fact(Explicit = true)]
    public void TwoReplicas_SomebodyDeletesOurObjects_SameVersionServesInManyHistories() => SameVersion(50 * Histories);

    private static void SameVersion(int histories)
    {
        s_history.Sample(history =>
        {
            var expected = Run(history.Characters, [[], [], []], false);
            var world = Run(history.Characters, history.Steps, true);
            Assert.Equal(expected.Status.Version, world.Status.Version);
            if (world.Status.Versions!.Find(v => v.State == VersionState.Serving) is { } serving)
            {
                Assert.Contains(world.Datasets, d => d.Metadata.Name == serving.Dataset);
                Assert.Contains(world.Runtimes, r => r.Metadata.Name == serving.Dataset);
                Assert.Contains(world.Loads, l => l.Metadata.Name == serving.DataLoad && l.Status?.Phase is "Complete" or "Failed");
                Assert.NotNull(world.Service);
            }

            Assert.All(world.Loads, l => Assert.Contains(l.Status?.Phase, (string[])["Complete", "Failed"]));
        }, iter: histories, threads: 1, print: Print);
    }

    /// <summary>Whatever was asked of the cache in between: in the end it has what is asked for then, and what is said of it is what there is.</summary>
    [Fact]
    public void TwoReplicas_CacheLetGoAndTakenBack_HasTheWorkersThatWereAskedForLast() => SameWorkers(Histories);

    /// <inheritdoc cref="TwoReplicas_AnyOrderAndCrashes_SameEndInManyHistories"/>
    [Fact(Explicit = true)]
    public void TwoReplicas_CacheLetGoAndTakenBack_HasTheWorkersThatWereAskedForLastInManyHistories() => SameWorkers(50 * Histories);

    private static void SameWorkers(int histories)
    {
        var more = 0;
        s_history.Sample(history =>
        {
            var expected = Run(history.Characters, [[], [], []], false);
            var world = Run(history.Characters, history.Steps, false, marks: true);
            Assert.Equal(expected.Status.Version, world.Status.Version);
            if (Workers(world) is not { } workers)
            {
                return;
            }

            var gone = CacheMark.Of(world.Model()).Gone(world.Now);
            Assert.Contains(workers, gone ? [(0, null), (0, 3), (0, 4)] : (List<(int, int?)>)[(2, null), (3, 3), (4, 4)]);
            more += workers.Noted is null ? 0 : 1;
            foreach (var (mark, now) in ((string?, int)[])[("released", 0), ("workers 3", 3), ("workers 4", 3), ("released", 0), ("workers 9", 4), ("released", 0), (null, 2)])
            {
                world.Mark(mark);
                world.Quiesce();
                Assert.Equal((mark, now), (mark, Workers(world)!.Value.Made));
            }
        }, iter: histories, threads: 1, print: Print);
        // Where nobody ever had more than two, nothing was tried.
        Assert.InRange(more, 1, histories);

        static (int Made, int? Noted)? Workers(FireWorld world) => world.Status.Versions!.Find(v => v.State == VersionState.Serving) is { } serving
            ? (world.Runtimes.Find(r => r.Metadata.Name == serving.Dataset)!.Spec!.Replicas!.Value, serving.Workers) : null;
    }

    private static FireWorld Run(Character[] characters, int[][] steps, bool deletions, bool marks = false)
    {
        var world = new FireWorld(s_versions.Zip(characters).ToDictionary(p => p.First, p => p.Second)) { Deletions = deletions, Marks = marks };
        foreach (var (version, picks) in s_versions.Zip(steps))
        {
            world.Upload(version);
            foreach (var pick in picks)
            {
                world.Step(pick);
            }

            world.Quiesce();
        }

        return world;
    }

    /// <summary>All that is there in the end, without times and names of revisions.</summary>
    private static string End(FireWorld world) => string.Join("\n",
    [
        .. world.Datasets.Select(d => $"Dataset {d.Metadata.Name} {JsonSerializer.Serialize(d.Spec, FluidJsonContext.Default.DatasetSpec)}").Order(StringComparer.Ordinal),
        .. world.Runtimes.Select(r => $"JindoRuntime {r.Metadata.Name} {JsonSerializer.Serialize(r.Spec, FluidJsonContext.Default.JindoRuntimeSpec)}").Order(StringComparer.Ordinal),
        .. world.Loads.Select(l => $"DataLoad {l.Metadata.Name} {l.Status?.Phase}").Order(StringComparer.Ordinal),
        $"InferenceService {world.Service?.Spec?.Predictor?.ToJsonString()} {string.Join(",", (world.Service?.Metadata.Annotations ?? []).Select(a => $"{a.Key}={a.Value}").Order(StringComparer.Ordinal))}",
        $"status {world.Status.Phase} {world.Status.Version}",
        .. world.Status.Versions!.Select(v => $"{v.Name} {v.State} {v.Golden} {v.LoadAttempt} {v.Dataset}"),
    ]);

    private static string Print((Character[] Characters, int[][] Steps) history) =>
        $"{string.Join(" | ", history.Characters.Select(c => c.ToString()))} / {string.Join(" | ", history.Steps.Select(s => string.Join(",", s)))}";
}
