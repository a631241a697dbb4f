using System.Globalization;

namespace Prewarm.Functions.Scale;

/// <summary>
/// Which of two messages about a PodAutoscaler is the newer: a watch and events of two sources tell the same in any order. resourceVersions of one kind count up
/// (Kubernetes makes them comparable), across a deletion as well, so that an old event does not bring back what is gone. Not for several threads at once.
/// </summary>
internal sealed class AutoscalerOrder
{
    /// <summary>Of deleted objects; an event that is later than so many deletions comes to nobody.</summary>
    private const int MaxGone = 10_000;

    private readonly Dictionary<(string, string), (string? Uid, string? Version)> _last = [];
    private readonly Queue<(string, string)> _gone = new();

    /// <summary>True when nothing newer of this object has been seen; notes it.</summary>
    public bool Newer(PodAutoscaler autoscaler)
    {
        var meta = autoscaler.Metadata;
        var key = (meta.Namespace ?? "", meta.Name ?? "");
        if (_last.TryGetValue(key, out var last) && !After(meta.ResourceVersion, last.Version, meta.Uid != last.Uid))
        {
            return false;
        }

        _last[key] = (meta.Uid, meta.ResourceVersion);
        return true;
    }

    /// <summary>As if it had never been seen.</summary>
    public void Forget((string, string) key) => _last.Remove(key);

    /// <summary>It was deleted, in its last state.</summary>
    public void Gone(string ns, string name, PodAutoscaler? last)
    {
        var key = (ns, name);
        if (last is not null && (!_last.TryGetValue(key, out var seen) || After(last.Metadata.ResourceVersion, seen.Version, true)))
        {
            _last[key] = (null, last.Metadata.ResourceVersion);
        }

        _gone.Enqueue(key);
        if (_gone.Count > MaxGone)
        {
            _last.Remove(_gone.Dequeue());
        }
    }

    private static bool After(string? version, string? before, bool otherObject) =>
        ulong.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var a) && ulong.TryParse(before, NumberStyles.None, CultureInfo.InvariantCulture, out var b)
            ? a > b
            : otherObject || version != before;
}
