using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.KServe;

namespace Prewarm.Sandbox.Gateway;

/// <summary>A share of a host's traffic.</summary>
internal readonly record struct RouteTarget(string Namespace, string Revision, int Percent);

/// <summary>Hosts and where they lead, followed from Knative Services, InferenceServices and Revisions: what VirtualServices say in a mesh.</summary>
internal sealed class RouteTable(IKubeApi api, string domain, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, JsonObject> _services = [], _inference = [], _revisions = [];
    private volatile ImmutableDictionary<string, ImmutableArray<RouteTarget>> _routes = ImmutableDictionary<string, ImmutableArray<RouteTarget>>.Empty;
    private volatile ImmutableDictionary<(string, string), TimeSpan> _timeouts = ImmutableDictionary<(string, string), TimeSpan>.Empty;

    /// <summary>The targets of a host; empty when no route has it.</summary>
    public ImmutableArray<RouteTarget> Find(string host) => _routes.GetValueOrDefault(host, []);

    /// <summary>spec.timeoutSeconds of a revision; null when it says none.</summary>
    public TimeSpan? TimeoutOf(RouteTarget target) => _timeouts.TryGetValue((target.Namespace, target.Revision), out var timeout) ? timeout : null;

    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(
        FollowAsync(Kinds.Services, _services, cancellationToken),
        FollowAsync(Kinds.InferenceServices, _inference, cancellationToken),
        FollowAsync(Kinds.Revisions, _revisions, cancellationToken));

    private async Task FollowAsync(ResourceType<JsonObject> type, Dictionary<string, JsonObject> seen, CancellationToken cancellationToken)
    {
        static string Key(JsonObject o) => $"{o.Namespace()}/{o.Name()}";
        await foreach (var change in new Reflector<JsonObject>(api, type, null, null, time, new Random(31)).RunAsync(cancellationToken))
        {
            lock (_lock)
            {
                switch (change)
                {
                    case Delta<JsonObject>.Replace all:
                        seen.Clear();
                        foreach (var item in all.Items)
                        {
                            seen[Key(item)] = item;
                        }

                        break;
                    case Delta<JsonObject>.Upsert one:
                        seen[Key(one.Object)] = one.Object;
                        break;
                    case Delta<JsonObject>.Remove gone:
                        seen.Remove($"{gone.Namespace}/{gone.Name}");
                        break;
                }

                Build();
            }
        }
    }

    private void Build()
    {
        var routes = ImmutableDictionary.CreateBuilder<string, ImmutableArray<RouteTarget>>(StringComparer.OrdinalIgnoreCase);
        foreach (var service in _services.Values)
        {
            var (ns, name) = (service.Namespace(), service.Name());
            var traffic = service.At("status", "traffic").Objects().ToArray();
            ImmutableArray<RouteTarget> split = [.. traffic.Where(t => t.Number("percent") > 0).Select(t => new RouteTarget(ns, t.Text("revisionName")!, t.Number("percent")!.Value))];
            if (split.Length == 0)
            {
                continue;
            }

            routes[$"{name}.{ns}.svc.cluster.local"] = split;
            if (service.Text("metadata", "labels", "networking.knative.dev/visibility") == "cluster-local")
            {
                continue;
            }

            routes[$"{name}.{ns}.{domain}"] = split;
            foreach (var tagged in traffic.Where(t => t.Text("tag") is not null))
            {
                routes[$"{tagged.Text("tag")}-{name}.{ns}.{domain}"] = [new(ns, tagged.Text("revisionName")!, 100)];
            }
        }

        // KServe's VirtualService rewrites the InferenceService's host to its predictor's (facts/kserve.md §5).
        foreach (var inference in _inference.Values)
        {
            if (routes.TryGetValue($"{InferenceServiceController.KnativeName(inference)}.{inference.Namespace()}.{domain}", out var split))
            {
                routes[$"{inference.Name()}.{inference.Namespace()}.{domain}"] = split;
            }
        }

        _routes = routes.ToImmutable();
        _timeouts = _revisions.Values.Where(r => r.Number("spec", "timeoutSeconds") > 0)
            .ToImmutableDictionary(r => (r.Namespace(), r.Name()), r => TimeSpan.FromSeconds(r.Number("spec", "timeoutSeconds")!.Value));
    }
}
