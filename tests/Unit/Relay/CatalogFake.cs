using Prewarm.Functions.Catalog;

namespace Prewarm.Tests.Unit.Relay;

internal sealed class CatalogFake(params CachedModel[] models) : ICatalog, ICatalogContact
{
    private volatile CatalogSnapshot _current = new(models);
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CatalogSnapshot Current => _current;
    public Task Synced { get; init; } = Task.CompletedTask;
    public Task NextChange => _changed.Task;
    public string? Failure { get; init; }

    /// <summary>From now on there are these models.</summary>
    public void Set(params CachedModel[] now)
    {
        _current = new(now);
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
