using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Tests.Unit.Operate;

/// <summary>The functions as they are deployed: a process of their own, on a free loopback port, told everything by its environment.</summary>
internal sealed class FunctionsProcess : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly Task _reading;
    private readonly TaskCompletionSource<Uri> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FunctionsProcess(Process process)
    {
        _process = process;
        _reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    public HttpClient Client { get; private set; } = null!;

    /// <summary>Everything the process wrote, for a failing test to show.</summary>
    public ConcurrentQueue<string> Output { get; } = new();

    public bool HasExited => _process.HasExited;

    public static async Task<FunctionsProcess> StartAsync(params (string Name, string Value)[] environment)
    {
        // Another build of the same program, such as the native one.
        var binary = Environment.GetEnvironmentVariable("PREWARM_TEST_FUNCTIONS");
        var start = new ProcessStartInfo(binary ?? "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (binary is null)
        {
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "functions.dll"));
        }

        start.Environment["PORT"] = "0";
        start.Environment["Host__Address"] = "127.0.0.1";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var result = new FunctionsProcess(Process.Start(start)!);
        try
        {
            var address = await result._listening.Task.WaitAsync(Deadline);
            result.Client = new() { BaseAddress = address, Timeout = Deadline };
            return result;
        }
        catch (Exception e)
        {
            await result.DisposeAsync();
            throw new InvalidOperationException("the functions did not begin to listen:\n" + string.Join('\n', result.Output), e);
        }
    }

    /// <summary>What the kubelet does: SIGTERM; returns the exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        await _reading.WaitAsync(Deadline);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync().WaitAsync(Deadline);
        }

        _process.Dispose();
    }

    private async Task ReadAsync(StreamReader from)
    {
        const string listening = "Listening on ";
        while (await from.ReadLineAsync() is { } line)
        {
            Output.Enqueue(line);
            if (Message(line) is { } message && message.StartsWith(listening, StringComparison.Ordinal))
            {
                _listening.TrySetResult(new(message[listening.Length..]));
            }
        }

        _listening.TrySetException(new InvalidOperationException("the output ended"));
    }

    private static string? Message(string line)
    {
        try
        {
            return line.StartsWith('{') ? (string?)JsonNode.Parse(line)?["Message"] : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
