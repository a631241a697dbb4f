using System.Globalization;

namespace Prewarm.Sandbox.Running;

/// <summary>Keeps the functions running at one address, as a kubelet does with a Pod's container: what ends unasked is started again.</summary>
internal sealed class FunctionsKeeper : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<string, CancellationToken, Task<FunctionsProcess>> _start;
    private readonly Action<string> _tell;
    private readonly TimeProvider _time;
    private Task _loops = Task.CompletedTask;
    private FunctionsProcess _process;

    private FunctionsKeeper(FunctionsProcess process, Func<string, CancellationToken, Task<FunctionsProcess>> start, Action<string> tell, TimeProvider time) =>
        (_process, _start, _tell, _time, Address) = (process, start, tell, time, process.Address);

    /// <summary>The same for all its processes.</summary>
    public Uri Address { get; }

    /// <summary>The process that runs now.</summary>
    public int Id => _process.Id;

    /// <summary>How often it had to be started again.</summary>
    public int Restarts { get; private set; }

    /// <param name="killEvery">Kills it (SIGKILL) so often; zero = never.</param>
    /// <param name="tell">Takes a line for each end and start.</param>
    public static async Task<FunctionsKeeper> StartAsync(string? binary, IReadOnlyDictionary<string, string> environment, string log, TimeSpan killEvery, Action<string> tell, TimeProvider time,
        CancellationToken cancellationToken)
    {
        Task<FunctionsProcess> Run(string port, CancellationToken token) =>
            FunctionsProcess.StartAsync(binary, new Dictionary<string, string>(environment) { ["PORT"] = port }, log, time, token);
        var keeper = new FunctionsKeeper(await Run("0", cancellationToken), Run, tell, time);
        keeper._loops = Task.WhenAll(keeper.KeepAsync(), killEvery > TimeSpan.Zero ? keeper.KillAsync(killEvery) : Task.CompletedTask);
        return keeper;
    }

    /// <summary>Ends the process that runs now (SIGKILL).</summary>
    public void Kill() => _process.Kill();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _process.DisposeAsync();
        _stop.Dispose();
    }

    private async Task KeepAsync()
    {
        while (true)
        {
            await _process.Ended.WaitAsync(_stop.Token);
            _tell($"functions: process {_process.Id} has ended, starting again");
            await _process.DisposeAsync();
            Restarts++;
            while (true)
            {
                await Task.Delay(Pause, _time, _stop.Token);
                try
                {
                    _process = await _start(Address.Port.ToString(CultureInfo.InvariantCulture), _stop.Token);
                    break;
                }
                catch (InvalidOperationException e)
                {
                    _tell($"functions: {e.Message}");
                }
            }
        }
    }

    private async Task KillAsync(TimeSpan every)
    {
        while (true)
        {
            // Counted from when it was ready: a process that is killed while it starts has done nothing yet.
            var process = _process;
            await Task.Delay(every, _time, _stop.Token);
            process.Kill();
            while (process == _process)
            {
                await Task.Delay(Pause, _time, _stop.Token);
            }
        }
    }
}
