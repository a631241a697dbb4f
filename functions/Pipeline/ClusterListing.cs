using System.Collections.Concurrent;
using System.Net;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Answers for one sweep what every model asks, from one list of each kind and namespace: a thousand models then cost as many calls as one.
/// What a list does not hold, and what may not be listed, is asked for by itself.
/// </summary>
internal sealed class ClusterListing(IKubeReader api) : IKubeReader
{
    private const string Ours = $"{Ownership.ManagedByLabel}=prewarm";
    private const string Predictors = "serving.kserve.io/inferenceservice";

    // Keyed by kind and namespace, and for Secrets by name.
    private readonly ConcurrentDictionary<(string Plural, string? Ns, string? Name), Lazy<Task<object?>>> _read = new();

    public async Task<T?> GetAsync<T>(ResourceType<T> type, string? ns, string name, CancellationToken cancellationToken) where T : class
    {
        if (typeof(T) == typeof(Secret))
        {
            return (T?)await OnceAsync((type.Plural, ns, name), async () => await api.GetAsync(type, ns, name, cancellationToken));
        }

        // A service that is not ours is not in the list, and matters all the same.
        return typeof(T) == typeof(InferenceService) && await AllAsync(type, ns, Ours, cancellationToken) is { } ours && ours.FirstOrDefault(o => Meta(o).Name == name) is { } found
            ? found
            : await api.GetAsync(type, ns, name, cancellationToken);
    }

    public async Task<KubeList<T>> ListAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, CancellationToken cancellationToken) where T : class
    {
        var common = typeof(T) == typeof(Node) ? null : typeof(T) == typeof(Pod) ? Predictors : Ours;
        return await AllAsync(type, ns, common, cancellationToken) is { } all
            ? new([.. all.Where(o => Matches(Meta(o).Labels, labelSelector))], "")
            : await api.ListAsync(type, ns, labelSelector, cancellationToken);
    }

    /// <summary>Null: it may not be listed.</summary>
    private async Task<IReadOnlyList<T>?> AllAsync<T>(ResourceType<T> type, string? ns, string? selector, CancellationToken cancellationToken) where T : class =>
        (IReadOnlyList<T>?)await OnceAsync((type.Plural, ns, null), async () =>
        {
            try
            {
                return (await api.ListAsync(type, ns, selector, cancellationToken)).Items;
            }
            catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.Forbidden)
            {
                return null;
            }
        });

    private Task<object?> OnceAsync((string, string?, string?) key, Func<Task<object?>> read) => _read.GetOrAdd(key, _ => new(read)).Value;

    /// <param name="selector">Equalities, as Prewarm asks them: <c>key=value,key=value</c>.</param>
    private static bool Matches(Dictionary<string, string>? labels, string? selector)
    {
        foreach (var part in (selector ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var (key, value) = part.Split('=', 2) is [var k, var v] ? (k, v) : (part, null);
            if (labels?.TryGetValue(key, out var label) != true || (value is not null && label != value))
            {
                return false;
            }
        }

        return true;
    }

    private static ObjectMeta Meta(object obj) => obj switch
    {
        Dataset o => o.Metadata,
        JindoRuntime o => o.Metadata,
        DataLoad o => o.Metadata,
        InferenceService o => o.Metadata,
        Node o => o.Metadata,
        Pod o => o.Metadata,
        _ => throw new InvalidOperationException($"{obj.GetType().Name} is not listed for a sweep"),
    };
}
