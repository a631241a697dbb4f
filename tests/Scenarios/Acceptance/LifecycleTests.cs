using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>A sandbox of its own: what it costs while nothing happens, and how it ends.</summary>
public sealed class LifecycleTests(ITestOutputHelper output)
{
    /// <value>Percent of one core, for the sandbox and for the functions.</value>
    private const double MostIdle = 8;

    private static readonly TimeSpan s_window = TimeSpan.FromSeconds(10);

    [Fact(Explicit = true)]
    public async Task OneModelScaledToZero_CostsNextToNothing_AndSigtermEndsAll()
    {
        var sandbox = await SandboxUp.StartAsync(["idle"], "--remote-mbps", "400", "--scale-to-zero", "1", "--pod-start", "0.1");
        try
        {
            var world = new UserWorld(sandbox, "idle", "idle-bucket");
            await world.PrepareAsync();
            await world.ModelAsync("idle", "m");
            await world.UploadAsync(await TrainedModels.FolderAsync("harbour"), "m/v1");
            await world.ServesAsync("idle", "v1");
            await UserWorld.UntilAsync(async () => (await world.ListAsync("api/v1", "pods")).All(p => !p.Name().Contains("-predictor-", StringComparison.Ordinal)), () => "it does not scale to zero");

            // Just after the start the code is still being compiled: it has to calm down, not to be calm at once.
            var said = "";
            await UserWorld.UntilAsync(async () =>
            {
                var (began, mine, functions) = (TimeProvider.System.GetTimestamp(), SandboxUp.CpuSeconds(sandbox.Id), sandbox.FunctionsIds.Sum(SandboxUp.CpuSeconds));
                await Task.Delay(s_window, TimeProvider.System);
                var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
                var (mineNow, functionsNow) = ((SandboxUp.CpuSeconds(sandbox.Id) - mine) / seconds * 100, (sandbox.FunctionsIds.Sum(SandboxUp.CpuSeconds) - functions) / seconds * 100);
                said = $"idle for {seconds:0} s: sandbox {mineNow:0.0} % of one core, functions {functionsNow:0.0} %";
                output.WriteLine(said);
                return mineNow < MostIdle && functionsNow < MostIdle;
            }, () => said, TimeSpan.FromSeconds(90));
        }
        finally
        {
            Assert.Equal([], await sandbox.StopAsync());
        }
    }

    [Fact(Explicit = true)]
    public async Task SigtermInTheMiddleOfALoad_EndsAllTheSame()
    {
        // 1 Mbit/s: the load of 12 MB runs for minutes.
        var sandbox = await SandboxUp.StartAsync(["cut-short"], "--remote-mbps", "1");
        try
        {
            var world = new UserWorld(sandbox, "cut-short", "cut-short");
            await world.PrepareAsync();
            await world.ModelAsync("cut", "m");
            await world.UploadAsync(await TrainedModels.FolderAsync("harbour"), "m/v1");
            await UserWorld.UntilAsync(async () => (await world.ListAsync("apis/data.fluid.io/v1alpha1", "dataloads")).Any(l => l.Text("status", "phase") == "Executing"),
                () => "no DataLoad runs");
        }
        finally
        {
            Assert.Equal([], await sandbox.StopAsync());
        }
    }
}
