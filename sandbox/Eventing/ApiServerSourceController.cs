using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>
/// Runs an adapter for each ApiServerSource whose ServiceAccount may read what it lists
/// (knative/eventing <c>pkg/reconciler/apiserversource/apiserversource.go</c>, <c>pkg/apis/sources/v1/apiserver_lifecycle.go</c>).
/// </summary>
internal sealed class ApiServerSourceController(
    IKubeApi api, Destinations destinations, SourceSender sender, EventingOptions options, TimeProvider time, CancellationToken stopping)
{
    private readonly ConcurrentDictionary<(string Namespace, string Name), Running> _running = new();

    /// <summary>Every source that was seen and is still there.</summary>
    public ConcurrentDictionary<(string Namespace, string Name), bool> Known { get; } = new();

    /// <returns>False: look again soon, for what it waits for may come without a sign.</returns>
    public async Task<bool> ReconcileAsync(JsonObject source, CancellationToken cancellationToken)
    {
        var (ns, name) = (source.Namespace(), source.Name());
        if (source.Deleting())
        {
            await DeletedAsync(source, cancellationToken);
            return true;
        }

        Known[(ns, name)] = true;
        var sink = await destinations.ResolveAsync(source.At("spec", "sink"), ns, cancellationToken);
        var namespaces = await NamespacesAsync(source, cancellationToken);
        List<Part> parts = [sink.Address is null ? Part.False("SinkProvided", sink.Reason!, sink.Message!) : Part.True("SinkProvided"), EventingStatus.NoIdentity];
        if (sink.Address is null)
        {
            await StopAsync(ns, name);
            parts.Add(Part.Unknown("Deployed", "SinkMissing", "The receive adapter waits for the sink."));
            parts.Add(Part.Unknown("SufficientPermissions", "SinkMissing", "Not looked at yet."));
        }
        else
        {
            try
            {
                var config = Config(source, sink.Address, namespaces);
                var refusal = await RefusalAsync(source, config, cancellationToken);
                parts.Add(refusal is null ? Part.True("SufficientPermissions") : Part.False("SufficientPermissions", "", refusal));
                parts.Add(refusal is null ? await DeployAsync(ns, name, config, cancellationToken) : Part.Unknown("Deployed", "", ""));
                if (refusal is not null)
                {
                    await StopAsync(ns, name);
                }
            }
            catch (FormatException e)
            {
                await StopAsync(ns, name);
                parts.Add(Part.False("Deployed", "InvalidSpec", e.Message));
            }
        }

        var prefix = source.Text("spec", "mode") == "Resource" ? "resource" : "ref";
        return await api.WriteAsync(EventingKinds.ApiServerSources, source, time, new()
        {
            ["sinkUri"] = sink.Address?.ToString(),
            ["namespaces"] = Json.Array((namespaces.Count == 0 ? [""] : namespaces).Select(n => (JsonNode)n)),
            ["ceAttributes"] = Json.Array(((string[])["add", "update", "delete"])
                .Select(v => new JsonObject { ["type"] = $"dev.knative.apiserver.{prefix}.{v}", ["source"] = options.ApiServer })),
        }, parts, cancellationToken);
    }

    public Task DeletedAsync(JsonObject source, CancellationToken cancellationToken)
    {
        Known.TryRemove((source.Namespace(), source.Name()), out _);
        return StopAsync(source.Namespace(), source.Name());
    }

    public async Task StopAllAsync()
    {
        foreach (var (ns, name) in _running.Keys)
        {
            await StopAsync(ns, name);
        }
    }

    // A changed source gets a new adapter, as a changed Deployment gets a new pod: what happens in between is told to nobody.
    private async Task<Part> DeployAsync(string ns, string name, AdapterConfig config, CancellationToken cancellationToken)
    {
        if (!_running.TryGetValue((ns, name), out var running) || running.Text != config.Text)
        {
            await StopAsync(ns, name);
            var adapter = new ApiServerAdapter(api, config, sender, options, time);
            var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            _running[(ns, name)] = running = new(config.Text, adapter, stop, Task.Run(() => adapter.RunAsync(stop.Token), CancellationToken.None));
        }

        await Task.WhenAny(running.Adapter.Listed, Task.Delay(TimeSpan.FromSeconds(1), time, cancellationToken));
        return running.Adapter.Listed.IsCompletedSuccessfully
            ? Part.True("Deployed")
            : Part.Unknown("Deployed", "DeploymentUnavailable", $"The Deployment 'apiserversource-{name}' is unavailable.");
    }

    private async Task StopAsync(string ns, string name)
    {
        if (_running.TryRemove((ns, name), out var running))
        {
            await running.Stop.CancelAsync();
            await running.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            running.Stop.Dispose();
        }
    }

    /// <summary>Empty means all namespaces: a selector that selects everything.</summary>
    private async Task<IReadOnlyList<string>> NamespacesAsync(JsonObject source, CancellationToken cancellationToken)
    {
        if (source.At("spec", "namespaceSelector") is not { } selector)
        {
            return [source.Namespace()];
        }

        if (LabelSelectors.Query(selector) is not { } query)
        {
            return [];
        }

        var found = await api.ListAsync(Kinds.Namespaces, null, query, cancellationToken);
        return [.. found.Items.Select(n => n.Name()).Order(StringComparer.Ordinal)];
    }

    private static AdapterConfig Config(JsonObject source, Uri sink, IReadOnlyList<string> namespaces)
    {
        var owner = source.At("spec", "owner") is JsonObject o ? (o.Text("apiVersion") ?? "", o.Text("kind") ?? "") : ((string, string)?)null;
        var extensions = (source.At("spec", "ceOverrides", "extensions") as JsonObject ?? [])
            .ToImmutableSortedDictionary(e => e.Key, e => e.Value?.ToString() ?? "", StringComparer.Ordinal);
        return new(sink, source.Text("spec", "mode") == "Resource",
            [.. source.At("spec", "resources").Objects().Select(r => (r.Text("apiVersion") ?? "", r.Text("kind") ?? "", LabelSelectors.Query(r.At("selector"))))],
            namespaces, owner, extensions);
    }

    /// <summary>Null when the ServiceAccount may get, list and watch everything.</summary>
    private async Task<string?> RefusalAsync(JsonObject source, AdapterConfig config, CancellationToken cancellationToken)
    {
        var account = source.Text("spec", "serviceAccountName") is { Length: > 0 } given ? given : "default";
        var user = $"system:serviceaccount:{source.Namespace()}:{account}";
        foreach (var place in config.Namespaces.DefaultIfEmpty(""))
        {
            foreach (var type in config.Resources.Select(r => EventingKinds.Guess(r.ApiVersion, r.Kind)))
            {
                List<string> missing = [];
                foreach (var verb in (string[])["get", "list", "watch"])
                {
                    if (!await AllowedAsync(user, source.Namespace(), type, place, verb, cancellationToken))
                    {
                        missing.Add(verb);
                    }
                }

                if (missing.Count > 0)
                {
                    return $"User {user} cannot {string.Join(", ", missing)} resource \"{type.Plural}\" in API group \"{type.Group}\" in Namespace \"{place}\"";
                }
            }
        }

        return null;
    }

    private async Task<bool> AllowedAsync(string user, string home, ResourceType<JsonObject> type, string place, string verb, CancellationToken cancellationToken)
    {
        var review = await api.CreateAsync(EventingKinds.AccessReviews, null, new()
        {
            ["apiVersion"] = "authorization.k8s.io/v1",
            ["kind"] = "SubjectAccessReview",
            ["metadata"] = new JsonObject(),
            ["spec"] = new JsonObject
            {
                ["user"] = user,
                ["groups"] = new JsonArray("system:serviceaccounts", $"system:serviceaccounts:{home}", "system:authenticated"),
                ["resourceAttributes"] = new JsonObject { ["verb"] = verb, ["group"] = type.Group, ["resource"] = type.Plural, ["namespace"] = place },
            },
        }, cancellationToken);
        return review.Text("status", "allowed") == "true";
    }

    private sealed record Running(string Text, ApiServerAdapter Adapter, CancellationTokenSource Stop, Task Task);
}
