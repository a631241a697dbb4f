using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Cluster;

public sealed class ControllerLoopTests : IAsyncLifetime
{
    private readonly ApiWorld _world = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _log = new();
    private Task _running = Task.CompletedTask;

    public ValueTask InitializeAsync() => _world.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, CancellationToken.None);
        await _world.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task Change_OfOneObject_ReconcilesThatOneOnly()
    {
        var seen = new ConcurrentDictionary<string, int>();
        Run(new(_world.Api, Kinds.Datasets, (obj, _) => Count(seen, obj.Name()), TimeProvider.System, _log.Enqueue) { Resync = TimeSpan.FromHours(1) });
        await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("a"), _world.Deadline);
        await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("b"), _world.Deadline);
        await _world.UntilAsync(() => seen.GetValueOrDefault("a") == 1 && seen.GetValueOrDefault("b") == 1);
        await _world.Api.MergePatchAsync(Kinds.Datasets, "default", "a", """{"metadata":{"labels":{"x":"y"}}}""", null, _world.Deadline);
        await _world.UntilAsync(() => seen.GetValueOrDefault("a") == 2);
        Assert.Equal(1, seen["b"]);
    }

    [Fact]
    public async Task Failure_IsToldAndTriedAgain_WhileOthersGoOn()
    {
        var seen = new ConcurrentDictionary<string, int>();
        Run(new(_world.Api, Kinds.Datasets, async (obj, _) =>
        {
            await Count(seen, obj.Name());
            if (obj.Name() == "bad" && seen["bad"] < 3)
            {
                throw new InvalidOperationException("not yet");
            }
        }, TimeProvider.System, _log.Enqueue)
        { Resync = TimeSpan.FromHours(1) });
        await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("bad"), _world.Deadline);
        await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("good"), _world.Deadline);
        await _world.UntilAsync(() => seen.GetValueOrDefault("bad") == 3 && seen.GetValueOrDefault("good") == 1);
        Assert.Equal(2, _log.Count);
        Assert.All(_log, l => Assert.Contains("not yet", l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task ManyChanges_OneObject_NeverTwiceAtATime()
    {
        int now = 0, most = 0, count = 0;
        Run(new(_world.Api, Kinds.Datasets, async (_, token) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            Interlocked.Increment(ref count);
            await _world.Api.ListAsync(Kinds.Datasets, null, null, token);
            Interlocked.Decrement(ref now);
        }, TimeProvider.System, _log.Enqueue)
        { Resync = TimeSpan.FromHours(1) });
        await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("a"), _world.Deadline);
        for (var i = 0; i < 50; i++)
        {
            await _world.Api.MergePatchAsync(Kinds.Datasets, "default", "a", $"{{\"metadata\":{{\"labels\":{{\"x\":\"{i}\"}}}}}}", null, _world.Deadline);
        }

        await _world.UntilAsync(() => Volatile.Read(ref now) == 0 && Volatile.Read(ref count) > 0);
        Assert.Equal(1, most);
        Assert.Empty(_log);
    }

    [Fact]
    public async Task StatusIgnored_StatusWriteDoesNotMark_OwnedObjectDoes()
    {
        var seen = new ConcurrentDictionary<string, int>();
        var gone = new ConcurrentQueue<string>();
        var loop = new ControllerLoop(_world.Api, Kinds.Datasets, (obj, _) => Count(seen, obj.Name()), TimeProvider.System, _log.Enqueue)
        {
            Resync = TimeSpan.FromHours(1),
            IgnoreStatus = true,
            Deleted = (obj, _) =>
            {
                gone.Enqueue(obj.Name());
                return Task.CompletedTask;
            },
        };
        Run(loop.Owns(Kinds.Pods));
        var a = await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("a"), _world.Deadline);
        await _world.UntilAsync(() => seen.GetValueOrDefault("a") == 1);
        await _world.Api.SetStatusAsync(Kinds.Datasets, a, new() { ["phase"] = "Bound", ["conditions"] = new JsonArray() }, _world.Deadline);
        var pod = new JsonObject { ["metadata"] = new JsonObject { ["name"] = "p", ["ownerReferences"] = Json.Owner(a) } };
        await _world.Api.CreateAsync(Kinds.Pods, "default", pod, _world.Deadline);
        await _world.UntilAsync(() => seen.GetValueOrDefault("a") == 2);
        await _world.Api.DeleteAsync(Kinds.Datasets, "default", "a", null, false, _world.Deadline);
        await _world.UntilAsync(() => gone.Contains("a"));
        Assert.Empty(_log);
    }

    private void Run(ControllerLoop loop) => _running = loop.RunAsync(_stop.Token);

    private static Task Count(ConcurrentDictionary<string, int> seen, string name)
    {
        seen.AddOrUpdate(name, 1, (_, n) => n + 1);
        return Task.CompletedTask;
    }
}
