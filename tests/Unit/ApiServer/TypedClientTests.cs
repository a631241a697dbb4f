using k8s;
using k8s.Autorest;
using k8s.Models;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>The stock typed client (KubernetesClient.Aot) against the sandbox's API server.</summary>
public sealed class TypedClientTests : IAsyncLifetime
{
    private readonly ApiWorld _world = new();
    private k8s.Kubernetes _client = null!;

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        var file = _world.Server.WriteKubeconfig(Path.Combine(_world.Folder, "typed"));
        _client = new(KubernetesClientConfiguration.BuildConfigFromConfigFile(new FileInfo(file)));
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _world.DisposeAsync();
    }

    [Fact]
    public async Task Version_AndNamespaces_AreRead()
    {
        Assert.Equal("1", (await _client.Version.GetCodeAsync(_world.Deadline)).Major);
        Assert.Equal(["default", "kube-public", "kube-system"], (await _client.CoreV1.ListNamespaceAsync(cancellationToken: _world.Deadline)).Items.Select(n => n.Metadata.Name));
    }

    [Fact]
    public async Task ConfigMap_MadePatchedDeleted_AnswersAreWhatTheClientExpects()
    {
        var map = new V1ConfigMap { Metadata = new() { Name = "a" }, Data = new Dictionary<string, string> { ["x"] = "y" } };
        var made = await _client.CoreV1.CreateNamespacedConfigMapAsync(map, "default", cancellationToken: _world.Deadline);
        Assert.NotNull(made.Metadata.CreationTimestamp);
        var patched = await _client.CoreV1.PatchNamespacedConfigMapAsync(new V1Patch("""{"data":{"z":"1"}}""", V1Patch.PatchType.MergePatch), "a", "default", cancellationToken: _world.Deadline);
        Assert.Equal(["x", "z"], patched.Data.Keys.Order(StringComparer.Ordinal));
        // The .Aot package has no JSON contract for what it has read in managedFields.
        patched.Metadata.ManagedFields = null;
        patched.Metadata.ResourceVersion = made.Metadata.ResourceVersion;
        var e = await Assert.ThrowsAsync<HttpOperationException>(() => _client.CoreV1.ReplaceNamespacedConfigMapAsync(patched, "a", "default", cancellationToken: _world.Deadline));
        Assert.Equal(System.Net.HttpStatusCode.Conflict, e.Response.StatusCode);
        var status = await _client.CoreV1.DeleteNamespacedConfigMapAsync("a", "default", cancellationToken: _world.Deadline);
        Assert.Equal("Success", status.Status);
    }

    [Fact]
    public async Task Lease_TakenAndRenewed_KeepsItsMicroseconds()
    {
        var now = new DateTime(2026, 11, 24, 8, 0, 0, 123, DateTimeKind.Utc);
        var lease = new V1Lease { Metadata = new() { Name = "l" }, Spec = new() { HolderIdentity = "me", RenewTime = now, LeaseDurationSeconds = 15 } };
        await _client.CoordinationV1.CreateNamespacedLeaseAsync(lease, "default", cancellationToken: _world.Deadline);
        var read = await _client.CoordinationV1.ReadNamespacedLeaseAsync("l", "default", cancellationToken: _world.Deadline);
        Assert.Equal(("me", now), (read.Spec.HolderIdentity, read.Spec.RenewTime));
        read.Metadata.ManagedFields = null;
        read.Spec.HolderIdentity = "you";
        Assert.Equal("you", (await _client.CoordinationV1.ReplaceNamespacedLeaseAsync(read, "l", "default", cancellationToken: _world.Deadline)).Spec.HolderIdentity);
    }
}
