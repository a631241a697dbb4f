namespace Prewarm.Functions.Scale;

/// <summary>Several values per key, in the order they came. Not for several threads at once.</summary>
internal sealed class Lookup<TKey, TValue>
    where TKey : notnull
{
    private readonly Dictionary<TKey, List<TValue>> _lists = [];

    public IReadOnlyList<TValue> Of(TKey key) => _lists.TryGetValue(key, out var list) ? [.. list] : [];

    public void Add(TKey key, TValue value)
    {
        if (!_lists.TryGetValue(key, out var list))
        {
            _lists[key] = list = [];
        }

        list.Add(value);
    }

    public void Remove(TKey key, TValue value)
    {
        if (_lists.TryGetValue(key, out var list) && list.Remove(value) && list.Count == 0)
        {
            _lists.Remove(key);
        }
    }

    public void Clear() => _lists.Clear();
}
