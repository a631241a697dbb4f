namespace Prewarm.Functions.Relay;

/// <summary>One request that waits at a model's hold, or has been let go from there and not been answered yet.</summary>
/// <param name="order">Its place among the model's requests: lower came earlier.</param>
internal sealed class HeldRequest(long order, long bytes)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource<ReleaseReason> _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public long Order => order;

    public long Bytes => bytes;

    /// <summary>Its place in the queue; null: it is not in it. Guarded by the hold's lock.</summary>
    public LinkedListNode<HeldRequest>? Place { get; set; }

    /// <summary>Let go and counted by the ramp. Guarded by the hold's lock.</summary>
    public bool Counted { get; set; }

    public Task<ReleaseReason> Released
    {
        get
        {
            lock (_lock)
            {
                return _released.Task;
            }
        }
    }

    public void Release(ReleaseReason why)
    {
        lock (_lock)
        {
            _released.TrySetResult(why);
        }
    }

    /// <summary>It goes back to waiting.</summary>
    public void Again()
    {
        lock (_lock)
        {
            _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
