using Prewarm.Sandbox.Eventing;
using Xunit;

namespace Prewarm.Tests.Unit.Eventing;

/// <summary>What brokers do wrong when told to, and their bounds.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private readonly EventingWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync(new() { QueueSize = 40, InFlightPerTrigger = 1 });

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Drop_AShare_LosesAboutThat_TheSameForASeed()
    {
        var broker = await _world.BrokerAsync();
        _world.Eventing.Faults.Drop = 0.5;
        await PostAsync(broker, 30);
        var dropped = _world.Eventing.Counts.Dropped;
        Assert.InRange(dropped, 5, 25);
        await _world.UntilAsync(() => _world.Receiver.All.Count == 30 - dropped);

        var same = new EventFaults { Drop = 0.5 };
        Assert.Equal(dropped, Enumerable.Range(0, 30).Count(_ => same.Drops()));
    }

    [Fact]
    public async Task Duplicates_Two_EachEventThreeTimesWithOneId()
    {
        var broker = await _world.BrokerAsync();
        _world.Eventing.Faults.Duplicates = 2;
        await PostAsync(broker, 5);
        await _world.UntilAsync(() => _world.Receiver.All.Count == 15);
        Assert.All(_world.Receiver.All.GroupBy(e => e["id"]), g => Assert.Equal(3, g.Count()));
    }

    [Fact]
    public async Task Shuffle_Window_EverythingArrivesInAnotherOrder()
    {
        var broker = await _world.BrokerAsync();
        _world.Eventing.Faults.ShuffleWindow = 10;
        await PostAsync(broker, 30);
        await _world.UntilAsync(() => _world.Receiver.All.Count == 30);
        var order = _world.Receiver.All.Select(e => int.Parse(e["id"]!)).ToList();
        Assert.Equal(Enumerable.Range(0, 30), order.Order());
        Assert.True(order.Zip(order.Skip(1)).Count(p => p.First > p.Second) > 5, string.Join(' ', order));
    }

    [Fact]
    public async Task Queue_Full_IngressRefusesUntilThereIsRoom()
    {
        var broker = await _world.BrokerAsync();
        var open = new TaskCompletionSource();
        var (now, most) = (0, 0);
        _world.Receiver.Answer = async (_, _, _) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await open.Task;
            Interlocked.Decrement(ref now);
        };
        await PostAsync(broker, 40);
        Assert.Equal(503, await _world.PostAsync(broker, "more"));
        Assert.Equal(1, _world.Eventing.Counts.Refused);
        open.SetResult();
        await _world.UntilAsync(() => _world.Eventing.Counts.Delivered == 40);
        await _world.UntilAsync(async () => await _world.PostAsync(broker, "again") == 202);
        Assert.Equal(1, most);
    }

    private async Task PostAsync(Uri broker, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(202, await _world.PostAsync(broker, $"{i}"));
        }
    }
}
