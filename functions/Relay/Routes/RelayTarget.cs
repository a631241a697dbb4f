using System.Runtime.CompilerServices;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Where a model's requests go, read once from its status: the snapshot's models do not change, new ones come in their place.</summary>
internal sealed class RelayTarget
{
    private static readonly ConditionalWeakTable<CachedModel, RelayTarget> s_known = [];

    /// <summary>The Host by which the mesh finds the model; null: it does not serve.</summary>
    public string? Host { get; private init; }

    /// <summary>How long the model has for an answer when its caller does not say.</summary>
    public TimeSpan Timeout { get; private init; }

    public RelayOutcome.NotServing? NotServing { get; private init; }

    public static RelayTarget Of(CachedModel model) => s_known.TryGetValue(model, out var target) ? target : s_known.GetValue(model, Read);

    private static RelayTarget Read(CachedModel model)
    {
        var status = model.Status;
        // status.url is there before the first version has traffic; without one the gateway could only answer 404.
        if (status?.Version is { Length: > 0 } && status.Phase != "Deleting"
            && Uri.TryCreate(status.Url, UriKind.Absolute, out var url) && url.Host.Length > 0)
        {
            return new() { Host = url.Authority, Timeout = RequestDeadline.ModelTimeout(model) };
        }

        var message = status?.Conditions?.Find(c => c.Type == "Ready")?.Message;
        return new() { Timeout = RequestDeadline.ModelTimeout(model), NotServing = new(model, status?.Phase ?? "Waiting", string.IsNullOrEmpty(message) ? "no version serves yet" : message) };
    }
}
