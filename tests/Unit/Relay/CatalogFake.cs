using Prewarm.Functions.Catalog;

namespace Prewarm.Tests.Unit.Relay;

internal sealed class CatalogFake(params CachedModel[] models) : ICatalog, ICatalogContact
{
    public CatalogSnapshot Current { get; } = new(models);
    public Task Synced { get; init; } = Task.CompletedTask;
    public Task NextChange { get; } = new TaskCompletionSource().Task;
    public string? Failure { get; init; }
}
