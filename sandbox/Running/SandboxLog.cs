namespace Prewarm.Sandbox.Running;

/// <summary>Problems of the miniature that are tried again, one line each, in a file.</summary>
internal sealed class SandboxLog(string file, TimeProvider time) : IAsyncDisposable
{
    private readonly StreamWriter _writer = new(file) { AutoFlush = true };
    private readonly Lock _lock = new();
    private bool _closed;

    public void Write(string line)
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _writer.WriteLine($"{time.GetUtcNow():HH:mm:ss.fff} {line}");
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _closed = true;
            _writer.Dispose();
        }

        return ValueTask.CompletedTask;
    }
}
