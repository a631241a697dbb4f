using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// Mixed traffic with wakes and faults, for <c>PREWARM_SOAK_SECONDS</c> (75 unless set; 600 is the long one): memory stays flat after the warm-up, no exception goes unobserved,
/// no answer comes from another model, and nothing is held at the end.
/// </summary>
public sealed class SoakTests
{
    private static readonly (string Text, string Name)[] s_models = [("orchard", "soak-orchard"), ("archive", "soak-archive"), ("harbour", "soak-harbour")];

    /// <summary>In the long one so many that the relay's garbage has been collected often, in every generation, when its memory is compared.</summary>
    private const int Clients = 6, ManyClients = 24;

    /// <summary>Seconds from one silence to the next, and of a silence.</summary>
    private const double Turn = 12, Silence = 4.5;

    private static readonly TimeSpan s_warm = TimeSpan.FromMinutes(5);
    private readonly ConcurrentDictionary<string, int> _outcomes = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _wrong = new();

    [Fact(Explicit = true)]
    public async Task Relay_MixedTrafficWithWakesAndFaults_StaysFlatAndRight()
    {
        var length = TimeSpan.FromSeconds(double.TryParse(Environment.GetEnvironmentVariable("PREWARM_SOAK_SECONDS"), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? seconds : 75);
        await using var sandbox = await SandboxUp.StartAsync(["soak"], "--scale-to-zero", "3", "--pod-start", "0.3", "--remote-mbps", "1000",
            "--fault", "gateway-504=0.01", "--fault", "pod-503=0.01", "--fault", "gateway-reset=0.01", "--fault", "queue-full=0.02", "--fault", "not-ready=0.02", "--fault", "retries=1");
        var world = new UserWorld(sandbox, "soak", "b-soak");
        await world.PrepareAsync();
        foreach (var (text, name) in s_models)
        {
            await world.ModelAsync(name, name, m => m["spec"]!["serving"]!["predictor"]!["minReplicas"] = 0);
            await world.UploadAsync(await TrainedModels.FolderAsync(text), $"{name}/v1");
        }

        foreach (var (_, name) in s_models)
        {
            await world.ServesAsync(name, "v1");
        }

        using var end = new CancellationTokenSource(length, TimeProvider.System);
        var memory = new List<(double At, double Megabytes)>();
        var began = TimeProvider.System.GetTimestamp();
        var clients = Enumerable.Range(0, length < s_warm ? Clients : ManyClients).Select(i => ClientAsync(sandbox, i, began, end.Token)).ToList();
        while (!end.IsCancellationRequested)
        {
            memory.Add((TimeProvider.System.GetElapsedTime(began) / length, Resident(sandbox.RelayId)));
            await Task.Delay(TimeSpan.FromSeconds(0.5), TimeProvider.System, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }

        await Task.WhenAll(clients);
        var wakes = await ColdStartTests.MetricAsync(sandbox, "prewarm_relay_wakes_total");
        var (early, late) = (Median(memory, 0.3, 0.5), Median(memory, 0.8, 1));
        var told = FormattableString.Invariant($"{length.TotalSeconds} s, {_outcomes.Values.Sum()} requests ({string.Join(", ", _outcomes.OrderBy(o => o.Key, StringComparer.Ordinal).Select(o => $"{o.Key} {o.Value}"))}), {wakes} wakes, RSS {early:0.0} MB then {late:0.0} MB ({(late / early - 1) * 100:+0.0;-0.0} %)");
        TestContext.Current.SendDiagnosticMessage(told);
        TestContext.Current.TestOutputHelper?.WriteLine(told);
        if (Environment.GetEnvironmentVariable("PREWARM_SOAK_REPORT") is { Length: > 0 } report)
        {
            await File.WriteAllTextAsync(report, told + "\n" + string.Join('\n', memory.Select(m => FormattableString.Invariant($"{m.At * length.TotalSeconds:0.0} {m.Megabytes:0.0}"))));
        }

        Assert.Empty(_wrong);
        Assert.Equal(0, await ColdStartTests.MetricAsync(sandbox, "prewarm_unobserved_exceptions_total"));
        Assert.True(wakes >= length.TotalSeconds / 30, told);
        Assert.True(_outcomes.GetValueOrDefault("200") > _outcomes.Values.Sum() * 0.7, told);
        await UserWorld.UntilAsync(async () => await ColdStartTests.MetricAsync(sandbox, "prewarm_relay_held") == 0, () => "requests are held though nobody asks");
        // In a minute or two, and on a busy machine, the run time is still at work on itself.
        Assert.True(late <= early * (length < s_warm ? 1.15 : 1.05), told);
    }

    private async Task ClientAsync(SandboxUp sandbox, int number, long began, CancellationToken end)
    {
        var random = new Random(number);
        using var http = new HttpClient { BaseAddress = sandbox.Relay.BaseAddress, Timeout = TimeSpan.FromSeconds(60) };
        while (!end.IsCancellationRequested)
        {
            // Bursts, and a silence of all in which the models fall asleep.
            var silence = TimeProvider.System.GetElapsedTime(began).TotalSeconds % Turn - (Turn - Silence);
            var (text, name) = s_models[random.Next(s_models.Length)];
            if (silence < 0)
            {
                await Task.WhenAll(Enumerable.Range(0, random.Next(1, 12)).Select(_ => OneAsync(http, text, name, random.Next(100), random.Next(5, 60))));
            }

            await Task.Delay(TimeSpan.FromSeconds(silence < 0 ? random.NextDouble() * 0.2 : Silence - silence), TimeProvider.System, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    private async Task OneAsync(HttpClient http, string text, string name, int kind, int words)
    {
        using var leaving = new CancellationTokenSource(kind < 5 ? TimeSpan.FromMilliseconds(kind * 30 + 1) : TimeSpan.FromSeconds(60), TimeProvider.System);
        var path = kind % 2 == 0 ? $"/v1/models/{name}:predict" : $"/models/soak/{name}/v1/models/{name}:predict";
        // One in ten is a body too large to be sent again.
        var prompt = kind is >= 10 and < 20 ? string.Concat(Enumerable.Repeat("keeper ", 15_000)) + TrainedModels.Prompt : TrainedModels.Prompt;
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(new JsonObject { ["prompt"] = prompt, ["result_length"] = words }.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        if (kind is >= 20 and < 25)
        {
            request.Headers.Add("X-Request-Timeout-Ms", "250");
        }
        else if (kind is >= 25 and < 30)
        {
            request.Headers.Accept.ParseAdd("text/event-stream");
            request.Headers.Add("X-Prewarm-Heartbeat", "1");
        }

        var outcome = "";
        try
        {
            using var answer = await http.SendAsync(request, leaving.Token);
            var body = await answer.Content.ReadAsStringAsync(leaving.Token);
            outcome = ((int)answer.StatusCode).ToString(CultureInfo.InvariantCulture);
            if (answer.StatusCode == HttpStatusCode.OK && body.StartsWith('{') && prompt == TrainedModels.Prompt && words >= 20)
            {
                TrainedModels.AssertFrom(text, (200, JsonNode.Parse(body).Text("result")!));
            }
        }
        catch (OperationCanceledException)
        {
            outcome = "left";
        }
        catch (HttpRequestException)
        {
            outcome = "broken";
        }
        catch (Xunit.Sdk.XunitException e)
        {
            outcome = "wrong";
            _wrong.Enqueue(e.Message);
        }

        _outcomes.AddOrUpdate(outcome, 1, (_, n) => n + 1);
    }

    /// <summary>VmRSS in MB (/proc/PID/status, in KiB there).</summary>
    private static double Resident(int process) =>
        long.Parse(File.ReadLines($"/proc/{process}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024.0;

    private static double Median(List<(double At, double Megabytes)> memory, double from, double to)
    {
        var part = memory.Where(m => m.At >= from && m.At <= to).Select(m => m.Megabytes).Order().ToList();
        return part[part.Count / 2];
    }
}
