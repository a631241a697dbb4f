using System.Globalization;
using System.Net;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>The functions hear nothing of the API server for <c>PREWARM_AWAY_SECONDS</c> (12 unless set; 60 is the long one), while traffic comes in bursts with pauses in which the model falls asleep.</summary>
public sealed class ApiServerAwayTests
{
    [Fact(Explicit = true)]
    public async Task Relay_GoesOnWithWhatItKnows_AndCatchesUp()
    {
        var length = TimeSpan.FromSeconds(double.TryParse(Environment.GetEnvironmentVariable("PREWARM_AWAY_SECONDS"), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? seconds : 12);
        await using var sandbox = await SandboxUp.StartAsync(["away"], "--scale-to-zero", "1", "--pod-start", "0.3", "--remote-mbps", "400", "--fault", "api-away=1");
        var world = await ColdStartTests.ServeAsync(sandbox, "away");
        await ColdStartTests.AtZeroAsync(world);
        var (before, pods) = (await ColdStartTests.MetricAsync(sandbox, "prewarm_relay_wakes_total"), new HashSet<string>(StringComparer.Ordinal));
        var away = Path.Combine(Path.GetDirectoryName(sandbox.Kubeconfig)!, "api-away");
        await File.WriteAllTextAsync(away, "");
        var (began, random, asked) = (TimeProvider.System.GetTimestamp(), new Random(5), 0);
        while (TimeProvider.System.GetElapsedTime(began) < length)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => ColdStartTests.AskAsync(sandbox)));
            Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
            Assert.True(asked > 0 || answers[0].ColdStart is not null, "the first ones were not held");
            asked += answers.Length;
            pods.UnionWith((await ColdStartTests.PredictorsAsync(world)).Select(p => p.Name()));
            await Task.Delay(TimeSpan.FromSeconds(0.2 + random.NextDouble() * 6), TimeProvider.System);
        }

        var wakes = await ColdStartTests.MetricAsync(sandbox, "prewarm_relay_wakes_total") - before;
        var told = FormattableString.Invariant($"{length.TotalSeconds} s: {asked} requests, {wakes} wakes, {pods.Count} pods");
        TestContext.Current.TestOutputHelper?.WriteLine(told);
        Assert.True(pods.Count >= 1 + length.TotalSeconds / 20 && wakes >= 1, told);

        // It hears of what was meanwhile, and of what comes.
        File.Delete(away);
        await ColdStartTests.AtZeroAsync(world);
        await UserWorld.UntilAsync(async () =>
        {
            var answer = await ColdStartTests.AskAsync(sandbox);
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            if (answer.ColdStart is null)
            {
                await ColdStartTests.AtZeroAsync(world);
            }

            return answer.ColdStart is not null;
        }, () => "no request is held: it does not hear that the model sleeps");
        await world.DeleteModelAsync("sleeper");
        await UserWorld.UntilAsync(async () => (await ColdStartTests.AskAsync(sandbox)).Status is HttpStatusCode.NotFound, () => "it does not hear that the model is no more");
        await world.GoneAsync("sleeper");
        await world.NothingLeftAsync();
    }
}
