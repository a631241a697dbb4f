using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>Opens a Broker: its address, its dead letter's, its conditions (knative/eventing <c>pkg/apis/eventing/v1/broker_lifecycle.go</c>).</summary>
internal sealed class BrokerController(IKubeApi api, BrokerTable table, BrokerIngress ingress, Destinations destinations, TimeProvider time)
{
    /// <returns>False: look again soon, for what it waits for may come without a sign.</returns>
    public async Task<bool> ReconcileAsync(JsonObject broker, CancellationToken cancellationToken)
    {
        var (ns, name) = (broker.Namespace(), broker.Name());
        if (broker.Deleting())
        {
            table.RemoveBroker(ns, name);
            return true;
        }

        table.SetBroker(ns, name);
        var dead = broker.At("spec", "delivery", "deadLetterSink");
        var sink = dead is null ? null : await destinations.ResolveAsync(dead, ns, cancellationToken);
        return await api.WriteAsync(EventingKinds.Brokers, broker, time, new()
        {
            ["address"] = new JsonObject { ["name"] = "http", ["url"] = ingress.Of(ns, name).ToString() },
            ["deadLetterSinkUri"] = sink?.Address?.ToString(),
        },
        [
            Part.True("IngressReady"), Part.True("TriggerChannelReady"), Part.True("FilterReady"), Part.True("Addressable"),
            Part.True("EventPoliciesReady", "DefaultAuthorizationMode", "Default authz mode is \"Allow-Same-Namespace\""),
            DeadLetter(dead, sink),
        ], cancellationToken);
    }

    public Task DeletedAsync(JsonObject broker, CancellationToken cancellationToken)
    {
        table.RemoveBroker(broker.Namespace(), broker.Name());
        return Task.CompletedTask;
    }

    internal static Part DeadLetter(JsonNode? asked, Resolved? sink)
    {
        const string type = "DeadLetterSinkResolved";
        return asked is null ? Part.True(type, "DeadLetterSinkNotConfigured", "No dead letter sink is configured.")
            : sink?.Address is not null ? Part.True(type)
            : Part.False(type, "Unable to get the dead letter sink's URI", sink?.Message ?? "");
    }
}
