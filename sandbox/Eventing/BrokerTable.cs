using System.Collections.Concurrent;
using System.Globalization;

namespace Prewarm.Sandbox.Eventing;

/// <summary>A trigger that is ready to be served.</summary>
internal sealed class Subscription(string broker, EventFilter filter, Uri subscriber, DeliverySpec delivery, Uri? deadLetter, SemaphoreSlim slots)
{
    public string Broker => broker;

    public EventFilter Filter => filter;

    public Uri Subscriber => subscriber;

    public DeliverySpec Delivery => delivery;

    public Uri? DeadLetter => deadLetter;

    public SemaphoreSlim Slots => slots;
}

/// <summary>
/// The brokers' events in memory, as the MTChannelBasedBroker keeps them on an in-memory channel: taken is not yet delivered, and what is under way is lost when the process ends.
/// <list type="number">
/// <item>An event is taken, or refused with a status.</item>
/// <item>The faults have their way: drop, duplicate, hold back.</item>
/// <item>Each trigger whose filter it passes gets its own delivery, side by side and in no order.</item>
/// <item>A reply goes back to the broker; a failure, after its retries, to the dead letter.</item>
/// </list>
/// </summary>
internal sealed class BrokerTable(EventDispatcher dispatcher, EventingOptions options, TimeProvider time, CancellationToken cancellationToken)
{
    /// <summary>Hops left; set by the ingress, taken off before delivery (knative/eventing <c>pkg/broker/ttl.go</c>).</summary>
    internal const string HopsLeft = "knativebrokerttl";

    private const int MostHops = 255;
    private const int MostErrorData = 1024;
    private readonly ConcurrentDictionary<(string Namespace, string Name), Holding> _brokers = new();
    private readonly ConcurrentDictionary<(string Namespace, string Name), Subscription> _triggers = new();

    public EventingCounts Counts { get; } = new();

    public void SetBroker(string ns, string name) =>
        _brokers.GetOrAdd((ns, name), _ => new(new(options.Faults, time)));

    public void RemoveBroker(string ns, string name) => _brokers.TryRemove((ns, name), out _);

    public void SetTrigger(string ns, string name, Subscription subscription) => _triggers[(ns, name)] = subscription;

    public void RemoveTrigger(string ns, string name) => _triggers.TryRemove((ns, name), out _);

    /// <summary>1. Takes an event for a broker.</summary>
    /// <returns>202; 400 when it has come round too often; 404 without such a broker; 503 when the broker is full.</returns>
    public int Accept(string ns, string name, EventMessage message)
    {
        if (!_brokers.TryGetValue((ns, name), out var broker))
        {
            return 404;
        }

        var hops = (int.TryParse(message.Attributes.GetValueOrDefault(HopsLeft), NumberStyles.Integer, CultureInfo.InvariantCulture, out var left) ? left : MostHops) - 1;
        if (hops <= 0)
        {
            return 400;
        }

        if (broker.Pending >= options.QueueSize)
        {
            Counts.AddRefused();
            return 503;
        }

        Counts.AddAccepted();
        message = message.With("knativearrivaltime", time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));

        // 2
        if (options.Faults.Drops())
        {
            Counts.AddDropped();
            return 202;
        }

        for (var copy = 0; copy <= options.Faults.Duplicates; copy++)
        {
            broker.Shuffle.Add(() => FanOut(ns, name, broker, message, hops));
        }

        return 202;
    }

    // 3
    private void FanOut(string ns, string name, Holding broker, EventMessage message, int hops)
    {
        var delivered = message.Without(HopsLeft);
        foreach (var ((place, _), trigger) in _triggers)
        {
            if (place == ns && trigger.Broker == name && trigger.Filter.Passes(delivered))
            {
                broker.Begin();
                _ = Task.Run(() => DeliverAsync(ns, name, broker, trigger, delivered, hops), CancellationToken.None);
            }
        }
    }

    private async Task DeliverAsync(string ns, string name, Holding broker, Subscription trigger, EventMessage message, int hops)
    {
        try
        {
            var outcome = await dispatcher.SendAsync(message, trigger.Subscriber, trigger.Delivery, trigger.Slots, cancellationToken);
            Counts.AddRetries(outcome.Tries - 1);

            // 4
            if (!outcome.Ok)
            {
                await FailedAsync(trigger, message, trigger.Subscriber, outcome);
                return;
            }

            Counts.AddDelivered();
            if (outcome.Reply is { } reply)
            {
                var back = reply with { Headers = message.Headers.SetItems(reply.Headers) };
                var status = Accept(ns, name, back.With(HopsLeft, hops.ToString(CultureInfo.InvariantCulture)));
                if (status != 202)
                {
                    options.Log($"broker {ns}/{name} refused the reply {reply.Id} of {trigger.Subscriber}: {status}");
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The broker goes away, and what it held with it.
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // The same, met elsewhere on the way.
        }
        catch (Exception e)
        {
            Counts.AddLost();
            options.Log($"delivery of {message.Id} to {trigger.Subscriber}: {e.Message}");
        }
        finally
        {
            broker.End();
        }
    }

    /// <summary>The dead letter is the event with what went wrong (knative/eventing <c>pkg/channel/attributes/knative_error.go</c>).</summary>
    private async Task FailedAsync(Subscription trigger, EventMessage message, Uri destination, DispatchOutcome outcome)
    {
        if (trigger.DeadLetter is { } sink)
        {
            var data = Convert.ToBase64String(outcome.Body);
            var letter = message
                .With("knativeerrordest", destination.ToString())
                .With("knativeerrorcode", outcome.Status.ToString(CultureInfo.InvariantCulture))
                .With("knativeerrordata", data.Length > MostErrorData ? data[..MostErrorData] : data);
            var last = await dispatcher.SendAsync(letter, sink, trigger.Delivery, trigger.Slots, cancellationToken);
            if (last.Ok)
            {
                Counts.AddDeadLettered();
                return;
            }
        }

        Counts.AddLost();
        options.Log($"event {message.Id} {message.Type} is lost: {destination} answered {outcome.Status}");
    }

    private sealed class Holding(EventShuffle shuffle)
    {
        private int _pending;

        public EventShuffle Shuffle => shuffle;

        public int Pending => Volatile.Read(ref _pending) + shuffle.Held;

        public void Begin() => Interlocked.Increment(ref _pending);

        public void End() => Interlocked.Decrement(ref _pending);
    }
}
