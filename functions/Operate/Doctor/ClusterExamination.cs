using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Asks the cluster and the object stores; writes nothing. A question that fails leaves its reason and stops no other.</summary>
internal sealed class ClusterExamination(IKubeApi api, IServerDiscovery discovery, HttpClient stores, DoctorSettings settings, TimeProvider time, Func<CancellationToken, Task<PrometheusAnswer>>? prometheus = null) : IDisposable
{
    /// <summary>Questions under way at once, so that the API server's fairness queue is left to others.</summary>
    private const int AtOnce = 6;

    /// <summary>Models, endpoints and Secrets looked at; the rest of a very large cluster is like them.</summary>
    private const int MaxModels = 1000;

    private static readonly TimeSpan QuestionLimit = TimeSpan.FromSeconds(10);

    /// <summary>Whose labels are read.</summary>
    public static readonly string[] SystemNamespaces = ["knative-serving"];

    /// <summary>Where versions, and what must not be there, are read from Deployments.</summary>
    private static readonly string[] s_deployed = ["fluid-system", "kserve", "kourier-system"];

    public static readonly string[] KnativeConfigMaps = ["config-features", "config-defaults", "config-autoscaler", "config-deployment", "config-network"];

    private readonly SemaphoreSlim _places = new(AtOnce);

    public async Task<ClusterFacts> ExamineAsync(CancellationToken cancellationToken)
    {
        var server = await AskAsync(async ct => (ServerGreeting?)await discovery.GreetAsync(ct), cancellationToken);
        if (server.Unseen is not null)
        {
            return new(settings) { Server = server };
        }

        var models = await ModelsAsync(cancellationToken);
        var seen = (models.Value ?? []).Take(MaxModels).ToList();
        string[] modelNamespaces = [.. settings.Namespaces.Concat(seen.Select(m => m.Key().Namespace)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        string[] meshed = ["knative-serving", .. modelNamespaces];

        var kinds = EachAsync(RequiredParts.GroupVersions, discovery.KindsAsync, cancellationToken);
        var namespaces = EachAsync(SystemNamespaces, (ns, ct) => api.GetAsync(DoctorKinds.Namespaces, null, ns, ct), cancellationToken);
        var deployments = EachAsync(s_deployed, async (ns, ct) => (IReadOnlyList<JsonObject>?)(await api.ListAsync(DoctorKinds.Deployments, ns, null, ct)).Items, cancellationToken);
        var config = EachAsync(KnativeConfigMaps, (name, ct) => api.GetAsync(DoctorKinds.ConfigMaps, "knative-serving", name, ct), cancellationToken);
        var nodes = AskAsync(async ct => (IReadOnlyList<JsonObject>?)(await api.ListAsync(DoctorKinds.Nodes, null, null, ct)).Items, cancellationToken);
        var peers = ListAsync(DoctorKinds.PeerAuthentications, ["istio-system", .. meshed], cancellationToken);
        var policies = ListAsync(DoctorKinds.AuthorizationPolicies, meshed, cancellationToken);
        var routes = ListAsync(DoctorKinds.VirtualServices, [settings.OwnNamespace, .. modelNamespaces], cancellationToken);
        var triggers = ListAsync(DoctorKinds.Triggers, [settings.OwnNamespace], cancellationToken);
        var secrets = SecretsAsync(seen, cancellationToken);
        var endpoints = EachAsync(seen.Select(m => m.Spec?.Source.Endpoint ?? "").Where(e => e.Length > 0).Distinct(StringComparer.Ordinal), GreetStoreAsync, cancellationToken);
        var counted = prometheus is null ? null : AskAsync(async ct => (PrometheusAnswer?)await prometheus(ct), cancellationToken);
        var rights = RightsAsync(NeededRight.Of(settings.Functions, modelNamespaces.Length == 0 ? [""] : modelNamespaces, seen), cancellationToken);
        return new(settings)
        {
            Server = server,
            Models = models,
            Kinds = await kinds,
            Namespaces = await namespaces,
            Deployments = await deployments,
            KnativeSettings = await config,
            Nodes = await nodes,
            PeerAuthentications = await peers,
            AuthorizationPolicies = await policies,
            VirtualServices = await routes,
            Triggers = await triggers,
            Secrets = await secrets,
            Stores = await endpoints,
            Rights = await rights,
            Prometheus = counted is null ? null : await counted,
        };
    }

    public void Dispose() => _places.Dispose();

    private async Task<Seen<IReadOnlyList<CachedModel>>> ModelsAsync(CancellationToken cancellationToken)
    {
        var models = new List<CachedModel>();
        foreach (var ns in settings.Namespaces.Count == 0 ? [null] : settings.Namespaces.Cast<string?>())
        {
            var seen = await AskAsync(async ct => (IReadOnlyList<CachedModel>?)(await api.ListAsync(CatalogKinds.CachedModels, ns, null, ct)).Items, cancellationToken);
            if (seen.Unseen is not null)
            {
                return seen;
            }

            models.AddRange(seen.Value!);
        }

        return Seen<IReadOnlyList<CachedModel>>.Of(models);
    }

    private async Task<Seen<IReadOnlyList<JsonObject>>> ListAsync(ResourceType<JsonObject> type, IEnumerable<string> namespaces, CancellationToken cancellationToken)
    {
        var all = await EachAsync(namespaces, async (ns, ct) => (IReadOnlyList<JsonObject>?)(await api.ListAsync(type, ns, null, ct)).Items, cancellationToken);
        return all.Values.FirstOrDefault(s => s.Unseen is not null) is { } unseen
            ? unseen
            : Seen<IReadOnlyList<JsonObject>>.Of([.. all.Values.SelectMany(s => s.Value!)]);
    }

    private async Task<IReadOnlyDictionary<string, Seen<IReadOnlyList<string>>>> SecretsAsync(IReadOnlyList<CachedModel> models, CancellationToken cancellationToken) =>
        await EachAsync(
            models.Where(m => m.Spec?.Source.CredentialsSecret is { Length: > 0 }).Select(m => $"{m.Key().Namespace}/{m.Spec!.Source.CredentialsSecret}").Distinct(StringComparer.Ordinal),
            async (key, ct) =>
            {
                var parts = key.Split('/', 2);
                var secret = await api.GetAsync(CoreKinds.Secrets, parts[0], parts[1], ct);
                return (IReadOnlyList<string>?)secret?.Data?.Where(d => d.Value.Length > 0).Select(d => d.Key).ToList() ?? (secret is null ? null : []);
            },
            cancellationToken);

    /// <summary>
    /// Unsigned and without a bucket: OSS and every S3 store answer it with their clock, a request id and XML, which is an Error (Common Errors, S3 API) or, where anybody may ask, a list of buckets (ListBuckets).
    /// </summary>
    private async Task<StoreGreeting?> GreetStoreAsync(string endpoint, CancellationToken cancellationToken)
    {
        var address = Upload.StoreEndpoint.Parse(endpoint)?.ServiceUrl ?? throw new HttpRequestException("it is no endpoint");
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        var asked = time.GetUtcNow();
        using var response = await stores.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        var answered = time.GetUtcNow();
        var speaks = response.Headers.Contains("x-amz-request-id") || response.Headers.Contains("x-oss-request-id") || await BeginsAsStoreAsync(response, cancellationToken);
        return new((int)response.StatusCode, response.Headers.Date, asked, answered, response.Headers.Server.ToString() is { Length: > 0 } name ? name : null, speaks);
    }

    private static async Task<bool> BeginsAsStoreAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var begin = new byte[512];
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var text = System.Text.Encoding.UTF8.GetString(begin, 0, await body.ReadAtLeastAsync(begin, begin.Length, throwOnEndOfStream: false, cancellationToken));
        return text.Contains("<Error", StringComparison.Ordinal) && text.Contains("<Code>", StringComparison.Ordinal) || text.Contains("<ListAllMyBucketsResult", StringComparison.Ordinal);
    }

    private async Task<IReadOnlyList<(NeededRight, bool?)>> RightsAsync(IEnumerable<NeededRight> rights, CancellationToken cancellationToken)
    {
        var answers = await Task.WhenAll(rights.Select(async right =>
        {
            var review = await AskAsync(
                async ct => (AccessReview?)await api.CreateAsync(DoctorKinds.AccessReviews, null, new()
                {
                    Spec = new()
                    {
                        ResourceAttributes = new()
                        {
                            Namespace = right.Namespace,
                            Verb = right.Verb,
                            Group = right.Group,
                            Resource = right.Resource,
                            Subresource = right.Subresource,
                            Name = right.Name,
                        },
                    },
                }, ct),
                cancellationToken);
            return (right, review.Value?.Status?.Allowed);
        }));
        return answers;
    }

    private async Task<IReadOnlyDictionary<string, Seen<T>>> EachAsync<T>(IEnumerable<string> names, Func<string, CancellationToken, Task<T?>> ask, CancellationToken cancellationToken)
        where T : class
    {
        var answers = new ConcurrentDictionary<string, Seen<T>>(StringComparer.Ordinal);
        await Task.WhenAll(names.Distinct(StringComparer.Ordinal).Select(async name => answers[name] = await AskAsync(ct => ask(name, ct), cancellationToken)));
        return answers;
    }

    private async Task<Seen<T>> AskAsync<T>(Func<CancellationToken, Task<T?>> ask, CancellationToken cancellationToken) where T : class
    {
        await _places.WaitAsync(cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = time.CreateTimer(static s => ((CancellationTokenSource)s!).Cancel(), limit, QuestionLimit, Timeout.InfiniteTimeSpan);
        try
        {
            return Seen<T>.Of(await ask(limit.Token));
        }
        catch (KubeApiException e) when (e.IsNotFound)
        {
            return Seen<T>.Not("the API server does not have this kind");
        }
        catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.Forbidden)
        {
            return Seen<T>.Not($"this account may not look: {e.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Seen<T>.Not($"no answer within {QuestionLimit.TotalSeconds} s");
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException or InvalidOperationException)
        {
            return Seen<T>.Not(e.Message);
        }
        finally
        {
            _places.Release();
        }
    }
}
