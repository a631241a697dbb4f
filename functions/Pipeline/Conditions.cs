using System.Diagnostics;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>Collects a pass's conditions; a transition time moves only when a status does.</summary>
internal sealed class Conditions(IReadOnlyList<ModelCondition> before, long? generation, DateTimeOffset now)
{
    private static readonly HashSet<string> s_known = new(StringComparer.Ordinal)
    {
        "UploadComplete", "Stalled", "OverwrittenInPlace", "StrayObjects", "CacheReady", "CacheWarm", "WarmthUnproven", "RevisionReady", "PlacementRelaxed", "Serving", "Ready", "Invalid", "Paused", "Pinned", "RolledBack",
    };

    private readonly List<ModelCondition> _list = [];

    /// <summary>What this pass has said. Conditions that only a newer release knows stay as they are, or two releases side by side would undo one another's work.</summary>
    public List<ModelCondition> Build() => [.. _list, .. before.Where(b => !s_known.Contains(b.Type) && !_list.Exists(c => c.Type == b.Type))];

    /// <summary>Takes over from before whatever this pass has not said anything about.</summary>
    public void KeepOthers() => _list.AddRange(before.Where(b => !_list.Exists(c => c.Type == b.Type)));

    public void Set(string type, bool? status, string reason, string message)
    {
        var text = status switch { true => "True", false => "False", null => "Unknown" };
        Debug.Assert(s_known.Contains(type), type);
        var old = before.FirstOrDefault(c => c.Type == type);
        _list.Add(new()
        {
            Type = type,
            Status = text,
            Reason = reason,
            Message = message,
            ObservedGeneration = generation,
            LastTransitionTime = old?.Status == text ? old.LastTransitionTime : Seconds(now),
        });
    }

    /// <summary>The same, but what was said already with this status and message keeps its reason.</summary>
    public void SetOnce(string type, bool status, string reason, string message)
    {
        var said = before.FirstOrDefault(c => c.Type == type && c.Status == (status ? "True" : "False") && c.Message == message);
        Set(type, status, said?.Reason ?? reason, message);
    }

    /// <summary>Kubernetes stores times in whole seconds; writing more would differ at every pass.</summary>
    public static DateTimeOffset Seconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());
}
