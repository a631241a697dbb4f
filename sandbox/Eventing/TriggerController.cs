using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>Subscribes a Trigger to its Broker (knative/eventing <c>pkg/apis/eventing/v1/trigger_lifecycle.go</c>, <c>pkg/reconciler/broker/trigger</c>).</summary>
internal sealed class TriggerController(IKubeApi api, BrokerTable table, Destinations destinations, EventingOptions options, TimeProvider time)
{
    private readonly ConcurrentDictionary<(string Namespace, string Name), string> _brokers = new();
    private readonly ConcurrentDictionary<(string Namespace, string Name), SemaphoreSlim> _slots = new();

    /// <summary>The triggers of a broker.</summary>
    public IEnumerable<(string Namespace, string Name)> Of(JsonObject broker) =>
        _brokers.Where(t => t.Key.Namespace == broker.Namespace() && t.Value == broker.Name()).Select(t => t.Key);

    /// <returns>False: look again soon, for what it waits for may come without a sign.</returns>
    public async Task<bool> ReconcileAsync(JsonObject trigger, CancellationToken cancellationToken)
    {
        var (ns, name) = (trigger.Namespace(), trigger.Name());
        if (trigger.Deleting())
        {
            Forget(ns, name);
            return true;
        }

        var brokerName = trigger.Text("spec", "broker") ?? "default";
        _brokers[(ns, name)] = brokerName;
        var broker = await api.GetAsync(EventingKinds.Brokers, ns, brokerName, cancellationToken);
        var subscriber = await destinations.ResolveAsync(trigger.At("spec", "subscriber"), ns, cancellationToken);

        // A trigger's delivery replaces its broker's as a whole; only the dead letter is looked for in both.
        var delivery = trigger.At("spec", "delivery") ?? broker.At("spec", "delivery");
        var dead = trigger.At("spec", "delivery", "deadLetterSink") ?? broker.At("spec", "delivery", "deadLetterSink");
        var letter = dead is null ? null : await destinations.ResolveAsync(dead, ns, cancellationToken);

        var subscribed = Subscribe(trigger, delivery, out var filter, out var spec);
        List<Part> parts =
        [
            Broker(broker, brokerName),
            subscribed,
            Part.True("DependencyReady"),
            subscriber.Address is null ? Part.False("SubscriberResolved", "Unable to get the Subscriber's URI", subscriber.Message ?? "") : Part.True("SubscriberResolved"),
            BrokerController.DeadLetter(dead, letter),
            EventingStatus.NoIdentity,
        ];
        if (parts.TrueForAll(p => p.Status == "True"))
        {
            var slots = _slots.GetOrAdd((ns, name), _ => new(options.InFlightPerTrigger));
            table.SetTrigger(ns, name, new(brokerName, filter!, subscriber.Address!, spec!, letter?.Address, slots));
        }
        else
        {
            table.RemoveTrigger(ns, name);
        }

        return await api.WriteAsync(EventingKinds.Triggers, trigger, time, new()
        {
            ["subscriberUri"] = subscriber.Address?.ToString(),
            ["deadLetterSinkUri"] = letter?.Address?.ToString(),
        }, parts, cancellationToken);
    }

    public Task DeletedAsync(JsonObject trigger, CancellationToken cancellationToken)
    {
        Forget(trigger.Namespace(), trigger.Name());
        return Task.CompletedTask;
    }

    private void Forget(string ns, string name)
    {
        table.RemoveTrigger(ns, name);
        _brokers.TryRemove((ns, name), out _);
        _slots.TryRemove((ns, name), out _);
    }

    private static Part Broker(JsonObject? broker, string name)
    {
        if (broker is null)
        {
            return Part.False("BrokerReady", "BrokerDoesNotExist", $"Broker \"{name}\" does not exist");
        }

        var ready = broker.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == "Ready");
        return ready is null ? Part.Unknown("BrokerReady", "BrokerNotConfigured", "Broker has not yet been reconciled.")
            : new("BrokerReady", ready.Text("status") ?? "Unknown", ready.Text("reason"), ready.Text("message"));
    }

    private static Part Subscribe(JsonObject trigger, JsonNode? delivery, out EventFilter? filter, out DeliverySpec? spec)
    {
        (filter, spec) = (null, null);
        try
        {
            filter = EventFilter.Of(trigger);
            spec = delivery is null ? DeliverySpec.Default : DeliverySpec.Parse(delivery);
            return Part.True("SubscriptionReady");
        }
        catch (NotSupportedException e)
        {
            return Part.False("SubscriptionReady", "FilterNotSupported", e.Message);
        }
        catch (FormatException e)
        {
            return Part.False("SubscriptionReady", "NotSubscribed", e.Message);
        }
    }
}
