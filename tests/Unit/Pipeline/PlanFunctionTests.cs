using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

public sealed class PlanFunctionTests : IAsyncLifetime
{
    private static readonly ModelKey Key = new("default", "bloom");
    private readonly ApiWorld _world = new();

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        await _world.Api.CreateAsync(CatalogKinds.CachedModels, Key.Namespace, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = Key.Name },
            Spec = new() { Source = new() { Uri = "oss://b/models/bloom", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" } },
        }, _world.Deadline);
    }

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Plan_CompleteUpload_ShowsEveryObjectWithItsReasonAndMakesNone()
    {
        var plan = await new PlanFunction(_world.Api, new OneUpload(), TimeProvider.System).PlanAsync(Key, _world.Deadline);
        Assert.Equal(["CachedModel", "Dataset", "JindoRuntime", "DataLoad"], plan!.Steps.Select(s => s.Kind));
        Assert.All(plan.Steps, s => Assert.Equal(("apply", true), (s.Verb, s.Why.Length > 0)));
        Assert.All(plan.Steps.Skip(1), s => Assert.Equal(s.Name, (string?)s.Object!["metadata"]!["name"]));
        Assert.True(plan.StatusChanges);
        Assert.Empty((await _world.Api.ListAsync(FluidKinds.Datasets, Key.Namespace, null, _world.Deadline)).Items);
        var model = await _world.Api.GetAsync(CatalogKinds.CachedModels, Key.Namespace, Key.Name, _world.Deadline);
        Assert.Null(model!.Status);
        Assert.Null(model.Metadata.Finalizers);
    }

    [Fact]
    public async Task Plan_UnknownModel_IsNull() =>
        Assert.Null(await new PlanFunction(_world.Api, new OneUpload(), TimeProvider.System).PlanAsync(new("default", "nobody"), _world.Deadline));

    private sealed class OneUpload : IUploadSource
    {
        public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken)
        {
            UploadedVersion version = new("v1", "models/bloom/v1/", new('a', 32), 3, 1 << 20, true, "MarkerPresent", "3 files, marker present", null, DateTimeOffset.UnixEpoch, null);
            return Task.FromResult(new UploadObservation([version], null));
        }

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) => Task.FromResult<byte[]?>(null);
    }
}
