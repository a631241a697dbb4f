using System.Collections.Concurrent;
using System.Net;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Answers in a sweep what each of some models asks, from one list of each kind and namespace: a hundred models then cost as many calls as one, and the memory of a hundred.
/// What a list does not hold, and what may not be listed, is asked for by itself.
/// </summary>
/// <param name="models">Whose objects are listed.</param>
/// <param name="before">The models before these in one sweep: the Secrets and nodes that it has read are not read again.</param>
internal sealed class ClusterListing(IKubeReader api, IReadOnlyCollection<CachedModel> models, ClusterListing? before = null) : IKubeReader
{
    // Keyed by kind and namespace, and for Secrets by name.
    private readonly ConcurrentDictionary<(string Plural, string? Ns, string? Name), Lazy<Task<object?>>> _ofModels = new(), _ofAll = before?._ofAll ?? new();

    public async Task<T?> GetAsync<T>(ResourceType<T> type, string? ns, string name, CancellationToken cancellationToken) where T : class
    {
        if (typeof(T) == typeof(Secret))
        {
            return (T?)await OnceAsync(_ofAll, (type.Plural, ns, name), async () => await api.GetAsync(type, ns, name, cancellationToken));
        }

        // A service that is not ours is not in the list, and matters all the same.
        return typeof(T) == typeof(InferenceService) && (await AllAsync(type, ns, cancellationToken))?.Named(name) is { } found
            ? found
            : await api.GetAsync(type, ns, name, cancellationToken);
    }

    public async Task<KubeList<T>> ListAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, CancellationToken cancellationToken) where T : class =>
        await AllAsync(type, ns, cancellationToken) is { } all ? new(all.Matching(labelSelector), "") : await api.ListAsync(type, ns, labelSelector, cancellationToken);

    /// <summary>Null: it may not be listed.</summary>
    private async Task<Listed<T>?> AllAsync<T>(ResourceType<T> type, string? ns, CancellationToken cancellationToken) where T : class =>
        (Listed<T>?)await OnceAsync(typeof(T) == typeof(Node) ? _ofAll : _ofModels, (type.Plural, ns, null), async () =>
        {
            var (selector, label) = Asked<T>(models.Where(m => m.Metadata.Namespace == ns));
            try
            {
                return new Listed<T>((await api.ListAsync(type, ns, selector, cancellationToken)).Items, label);
            }
            catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.Forbidden)
            {
                return null;
            }
        });

    private static (string? Selector, string? Label) Asked<T>(IEnumerable<CachedModel> models) where T : class =>
        typeof(T) == typeof(Node) ? (null, null)
        : typeof(T) == typeof(Pod) ? ($"{ServingKinds.ServiceLabel} in ({string.Join(',', models.Select(m => Ownership.LabelValue(m.ServiceName())))})", ServingKinds.ServiceLabel)
        : (Ownership.Selector(models.Select(m => m.Metadata.Name!)), Ownership.ModelLabel);

    private static Task<object?> OnceAsync(ConcurrentDictionary<(string, string?, string?), Lazy<Task<object?>>> read, (string, string?, string?) key, Func<Task<object?>> ask) =>
        read.GetOrAdd(key, _ => new(ask)).Value;

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

    /// <summary>One list, found in by name and by the label that every model asks it by: to look through all of it for each would cost the square of the models.</summary>
    /// <param name="label">Null: each asks by another.</param>
    private sealed class Listed<T>(IReadOnlyList<T> all, string? label)
        where T : class
    {
        private readonly ILookup<string, T> _named = all.ToLookup(o => Meta(o).Name ?? "", StringComparer.Ordinal);
        private readonly ILookup<string, T>? _labelled = label is { } by ? all.ToLookup(o => Meta(o).Labels?.GetValueOrDefault(by) ?? "", StringComparer.Ordinal) : null;

        public T? Named(string name) => _named[name].FirstOrDefault();

        /// <param name="selector">Equalities, as Prewarm asks them: <c>key=value,key=value</c>.</param>
        public IReadOnlyList<T> Matching(string? selector)
        {
            var wanted = (selector ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(part => part.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair.Length == 2 ? pair[1] : null, StringComparer.Ordinal);
            var some = label is not null && wanted.GetValueOrDefault(label) is { } value ? _labelled![value] : all;
            return [.. some.Where(o => wanted.All(w => Meta(o).Labels is { } labels && labels.TryGetValue(w.Key, out var has) && (w.Value is null || has == w.Value)))];
        }
    }
}
