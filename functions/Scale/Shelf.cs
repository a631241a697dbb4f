using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

/// <summary>The objects of one kind as last seen. Not for several threads at once.</summary>
internal sealed class Shelf<T>(Func<T, ObjectMeta> meta)
    where T : class
{
    private readonly Dictionary<(string Namespace, string Name), T> _items = [];
    private readonly HashSet<string> _listed = new(StringComparer.Ordinal);
    private bool _all;

    /// <summary>Whether the collection that holds this namespace has been read once.</summary>
    public bool Listed(string ns) => _all || _listed.Contains(ns);

    public T? Get(string ns, string? name) => name is not null && _items.TryGetValue((ns, name), out var item) ? item : null;

    public IReadOnlyList<T> All() => [.. _items.Values];

    public string NameOf(T item) => meta(item).Name ?? "";

    /// <summary>Takes one change, and returns the objects that it concerns, as they were and as they are.</summary>
    /// <param name="scope">The namespace that was listed; null: all.</param>
    public List<T> Take(string? scope, Delta<T> delta)
    {
        var touched = new List<T>();
        switch (delta)
        {
            case Delta<T>.Replace list:
                foreach (var key in _items.Keys.Where(k => scope is null || k.Namespace == scope).ToArray())
                {
                    _items.Remove(key, out var old);
                    touched.Add(old!);
                }

                foreach (var item in list.Items)
                {
                    _items[Key(item)] = item;
                    touched.Add(item);
                }

                _all |= scope is null;
                _listed.Add(scope ?? "");
                break;
            case Delta<T>.Upsert one:
                if (_items.TryGetValue(Key(one.Object), out var before))
                {
                    touched.Add(before);
                }

                _items[Key(one.Object)] = one.Object;
                touched.Add(one.Object);
                break;
            case Delta<T>.Remove gone:
                if (_items.Remove((gone.Namespace ?? "", gone.Name), out var last))
                {
                    touched.Add(last);
                }

                break;
        }

        return touched;
    }

    private (string, string) Key(T item) => (meta(item).Namespace ?? "", meta(item).Name ?? "");
}
