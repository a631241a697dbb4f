using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// docs/operations.md, "Upgrade, uninstall, backup", with stock kubectl on functions that are deployed, under traffic. On the sandbox's own API server only: kubectl cannot delete a kustomization
/// with kinds that a server lacks, and the real one here (1.20) has no policy/v1.
/// </summary>
public sealed class UpgradeTests
{
    private const string Path = "/v1/models/sleeper:predict";
    private static readonly (string Group, string Plural)[] s_serving =
    [
        ("apis/serving.kserve.io/v1beta1", "inferenceservices"), ("apis/data.fluid.io/v1alpha1", "datasets"), ("apis/data.fluid.io/v1alpha1", "jindoruntimes"),
        ("apis/data.fluid.io/v1alpha1", "dataloads"), ("apis/serving.knative.dev/v1", "revisions"), ("api/v1", "pods"),
    ];

    [Fact(Explicit = true)]
    public async Task Upgrade_OfEveryRoleUnderTraffic_FailsNoPrediction_AndTheLineGoesOn()
    {
        Kubectl.SkipWithout();
        await using var deployed = await DeployAsync("upgrade");
        var (sandbox, world) = (deployed.Sandbox, deployed.World);
        var system = new UserWorld(sandbox, "prewarm-system", "none");
        var before = await RevisionsAsync(system);
        Assert.Equal(6, before.Count);
        await using (var traffic = new Traffic(() => PostAsync(sandbox.Relay, Path, null)))
        {
            await traffic.GoesOnAsync();
            await ApplyAsync(deployed, "next");

            // Old and new releases are side by side for a while, and a version comes in the middle of it.
            await world.UploadAsync(await TrainedModels.FolderAsync("harbour"), "models/v2");
            await UserWorld.UntilAsync(async () => (await RevisionsAsync(system)).All(r => before.TryGetValue(r.Key, out var old) && r.Value != old || r.Key == "prewarm-dead-letters"), () => "not every role runs the new release");
            await world.ServesAsync("sleeper", "v2");
            await traffic.GoesOnAsync();
            Assert.Equal([], traffic.Failed);
        }
    }

    [Fact(Explicit = true)]
    public async Task Uninstall_AsDocumented_LeavesModelsServing_AndAnInstallationTakesThemUpAsTheyAre()
    {
        Kubectl.SkipWithout();
        await using var deployed = await DeployAsync("uninstall");
        var (sandbox, world) = (deployed.Sandbox, deployed.World);
        var host = new Uri((await world.ModelAsync("sleeper")).Text("status", "url")!).Host;
        using var gateway = new HttpClient { BaseAddress = new((string)sandbox.Line["gateway"]!) };
        var before = await ServingAsync(world);
        await using (var traffic = new Traffic(() => PostAsync(gateway, Path, host)))
        {
            await traffic.GoesOnAsync();
            await deployed.KubectlAsync(null, "delete", "-k", $"{deployed.Manifests}/eventing", "--timeout=60s");
            await deployed.KubectlAsync(null, "delete", "-k", $"{deployed.Manifests}/knative", "-l", "prewarm.dev/keep!=true", "--timeout=60s");
            var system = new UserWorld(sandbox, "prewarm-system", "none");
            await UserWorld.UntilAsync(async () => (await system.ListAsync("api/v1", "pods")).Count == 0, () => "pods of the functions are left");
            Assert.Empty(await system.ListAsync("apis/serving.knative.dev/v1", "services"));
            await traffic.GoesOnAsync();
            Assert.Equal(before, await ServingAsync(world));
            Assert.Equal("v1", (await world.ModelAsync("sleeper")).Text("status", "version"));

            // Installed again: nothing is made anew, and the line goes on where it was.
            await ApplyAsync(deployed, "latest");
            await UserWorld.UntilAsync(async () => await RelayAnswersAsync(sandbox), () => "the relay of the new installation does not serve");
            await world.ServesAsync("sleeper", "v1");
            Assert.Equal(before, await ServingAsync(world));
            await world.UploadAsync(await TrainedModels.FolderAsync("harbour"), "models/v2");
            await world.ServesAsync("sleeper", "v2");
            await traffic.GoesOnAsync();
            Assert.Equal([], traffic.Failed);
        }
    }

    private static async Task<Deployed> DeployAsync(string ns)
    {
        var manifests = OwnNamespaces.Write([ns], KubectlTests.LaterSecret, []);
        SandboxUp? sandbox = null;
        try
        {
            sandbox = await SandboxUp.DeployAsync(manifests, "--scale-to-zero", "5", "--pod-start", "0.3", "--remote-mbps", "400");
            return new(sandbox, await ColdStartTests.ServeAsync(sandbox, ns, m => m["spec"]!["serving"]!["predictor"]!["minReplicas"] = 1), manifests);
        }
        catch
        {
            await (sandbox?.DisposeAsync() ?? ValueTask.CompletedTask);
            Directory.Delete(manifests, recursive: true);
            throw;
        }
    }

    /// <summary>What docs/operations.md applies, with the settings of this cluster and an image's tag.</summary>
    private static async Task ApplyAsync(Deployed deployed, string tag)
    {
        var sandbox = deployed.Sandbox;
        var token = sandbox.OssEvents.Query.Split('=')[1];
        foreach (var (part, change) in new (string, Func<string, string>)[]
        {
            ("knative", text => text.Replace("http://istio-ingressgateway.istio-system", (string)sandbox.Line["gateway"]!, StringComparison.Ordinal)
                .Replace("http://broker-ingress.knative-eventing.svc.cluster.local/prewarm-system/prewarm", deployed.Sink, StringComparison.Ordinal).Replace("prewarm/functions:latest", $"prewarm/functions:{tag}", StringComparison.Ordinal)),
            ("eventing", text => text.Replace("EVENTS_TOKEN", token, StringComparison.Ordinal)),
        })
        {
            await deployed.KubectlAsync(change(await deployed.KubectlAsync(null, "kustomize", $"{deployed.Manifests}/{part}")), "apply", "--server-side", "--force-conflicts", "-f", "-");
        }
    }

    private static async Task<Dictionary<string, string>> RevisionsAsync(UserWorld system) =>
        (await system.ListAsync("apis/serving.knative.dev/v1", "services")).ToDictionary(s => s.Name(), s => s.Text("status", "latestReadyRevisionName") ?? "", StringComparer.Ordinal);

    private static async Task<List<string>> ServingAsync(UserWorld world)
    {
        var all = new List<string>();
        foreach (var (group, plural) in s_serving)
        {
            all.AddRange((await world.ListAsync(group, plural)).Select(o => $"{plural}/{o.Name()} {o.Text("metadata", "uid")}"));
        }

        return all;
    }

    private static async Task<bool> RelayAnswersAsync(SandboxUp sandbox)
    {
        try
        {
            return await PostAsync(sandbox.Relay, Path, null) is null;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <returns>Null when it was answered by a model; else what came instead.</returns>
    private static async Task<string?> PostAsync(HttpClient http, string path, string? host)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(new JsonObject { ["prompt"] = TrainedModels.Prompt, ["result_length"] = 20 }.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        request.Headers.Host = host;
        using var answer = await http.SendAsync(request);
        return answer.StatusCode == HttpStatusCode.OK ? null : $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
    }

    private sealed record Deployed(SandboxUp Sandbox, UserWorld World, string Manifests) : IAsyncDisposable
    {
        /// <summary>The broker's address, as <c>kubectl get broker</c> shows it.</summary>
        public string Sink { get; } = (string)Sandbox.Line["sink"]!;

        /// <summary>In no namespace but those that the objects name.</summary>
        public async Task<string> KubectlAsync(string? input, params string[] args)
        {
            using var limit = new CancellationTokenSource(UserWorld.Limit, TimeProvider.System);
            return await new KubectlProgram(Sandbox.Kubeconfig).RunAsync(input, limit.Token, args);
        }

        public async ValueTask DisposeAsync()
        {
            await Sandbox.DisposeAsync();
            Directory.Delete(Manifests, recursive: true);
        }
    }

    /// <summary>Predictions without a pause, by several callers, until it is disposed of.</summary>
    private sealed class Traffic : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly List<Task> _callers;
        private int _answered;

        public Traffic(Func<Task<string?>> ask) => _callers = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    if (await ask() is { } problem)
                    {
                        Failed.Enqueue(problem);
                    }
                }
                catch (HttpRequestException e)
                {
                    Failed.Enqueue(e.Message);
                }

                Interlocked.Increment(ref _answered);
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }))];

        public ConcurrentQueue<string> Failed { get; } = new();

        /// <summary>Waits until a hundred more have been answered.</summary>
        public Task GoesOnAsync()
        {
            var from = Volatile.Read(ref _answered);
            return UserWorld.UntilAsync(() => Task.FromResult(Volatile.Read(ref _answered) >= from + 100), () => "predictions stand still");
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Task.WhenAll(_callers);
            _stop.Dispose();
        }
    }
}
