using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using Prewarm.Sandbox.Knative;

namespace Prewarm.Sandbox.Running;

/// <summary>The product, as a process of its own: the same binary that a Knative Service runs.</summary>
internal sealed class FunctionsProcess : IRunningContainer
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(40);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(10);
    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly TaskCompletionSource<Uri> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private int _disposed;

    private FunctionsProcess(Process process, string log)
    {
        (_process, _log) = (process, new(log, append: true) { AutoFlush = true });
        (Id, Ended) = (process.Id, process.WaitForExitAsync(CancellationToken.None));
    }

    public int Id { get; }

    /// <summary>Completes when the process is no more.</summary>
    public Task Ended { get; }

    public Uri Address { get; private set; } = null!;

    /// <summary>Starts it and waits until it says that it is ready.</summary>
    /// <param name="binary">An executable or a .dll; null = the functions.dll beside this program.</param>
    /// <param name="log">Takes its output.</param>
    /// <exception cref="InvalidOperationException">It ended or did not get ready in time; the message has the end of its output.</exception>
    public static async Task<FunctionsProcess> StartAsync(string? binary, IReadOnlyDictionary<string, string> environment, string log, TimeProvider time, CancellationToken cancellationToken)
    {
        var file = binary ?? Path.Combine(AppContext.BaseDirectory, "functions.dll");
        if (!File.Exists(file))
        {
            throw new InvalidOperationException($"--functions is '{file}', which does not exist: give a published binary or a functions.dll");
        }

        var managed = file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo(managed ? Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet" : file)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetDirectoryName(Path.GetFullPath(file)),
        };
        if (managed)
        {
            start.ArgumentList.Add(file);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var functions = new FunctionsProcess(Process.Start(start)!, log);
        functions.Read();
        try
        {
            using var limit = new CancellationTokenSource(StartLimit, time);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            functions.Address = await functions._listening.Task.WaitAsync(linked.Token);
            using var http = new HttpClient();
            while (await StatusAsync(http, functions.Address, linked.Token) != HttpStatusCode.OK)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), time, linked.Token);
            }

            return functions;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            await functions.DisposeAsync();
            throw new InvalidOperationException($"the functions did not get ready: {e.Message}\n{string.Join('\n', File.ReadLines(log).TakeLast(20))}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        if (!Ended.IsCompleted)
        {
            Terminate(_process.Id);
            using var limit = new CancellationTokenSource(StopLimit, TimeProvider.System);
            try
            {
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
            }
        }

        _process.Dispose();
        lock (_lock)
        {
            _log.Dispose();
        }
    }

    /// <summary>Ends it at once, as a node that dies does.</summary>
    public void Kill()
    {
        if (!Ended.IsCompleted && Volatile.Read(ref _disposed) == 0)
        {
            _process.Kill();
        }
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpClient http, Uri address, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await http.GetAsync(new Uri(address, "/readyz"), cancellationToken);
            return answer.StatusCode;
        }
        catch (HttpRequestException)
        {
            return HttpStatusCode.ServiceUnavailable;
        }
    }

    private void Read()
    {
        const string listening = "Listening on ";
        _process.EnableRaisingEvents = true;
        _process.Exited += (_, _) => _listening.TrySetException(new InvalidOperationException($"it ended with exit code {_process.ExitCode}"));
        _process.OutputDataReceived += (_, line) =>
        {
            Write(line.Data);
            if (line.Data?.IndexOf(listening, StringComparison.Ordinal) is >= 0 and var at
                && Uri.TryCreate(line.Data[(at + listening.Length)..].Split('"', ' ')[0], UriKind.Absolute, out var address))
            {
                _listening.TrySetResult(address);
            }
        };
        _process.ErrorDataReceived += (_, line) => Write(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    private void Write(string? line)
    {
        lock (_lock)
        {
            if (line is not null && _log.BaseStream.CanWrite)
            {
                _log.WriteLine(line);
            }
        }
    }

    private static void Terminate(int id)
    {
        const int sigterm = 15;
        if (!OperatingSystem.IsWindows())
        {
            _ = Kill(id, sigterm);
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Kill(int pid, int signal);
}
