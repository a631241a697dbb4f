using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using CloudNative.CloudEvents;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// An object of Fluid, KServe or Knative changed: look at the model whose label it carries. A CachedModel that says what it said at its last look, but for its last
/// wake and its reads, is not looked at: a wake writes that several times.
/// </summary>
internal sealed class ClusterChangedFunction(EventDesk desk)
{
    /// <summary>Models that are remembered; more than one line has. What is forgotten costs a look.</summary>
    private const int MaxSeen = 10_000;

    private readonly ConcurrentDictionary<ModelKey, string> _seen = new();

    [Function("ClusterChanged")]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/cluster")] HttpRequest request, CancellationToken cancellationToken)
    {
        var told = new Dictionary<ModelKey, string>();
        var result = await desk.HandleAsync(request, "cluster", false, cloudEvent => Concerned(cloudEvent, told), cancellationToken);
        // What is to be told again must not count as known.
        if (result is IStatusCodeHttpResult { StatusCode: StatusCodes.Status202Accepted })
        {
            if (_seen.Count + told.Count > MaxSeen)
            {
                _seen.Clear();
            }

            foreach (var (key, text) in told)
            {
                _seen[key] = text;
            }
        }

        return result;
    }

    private ModelKey[]? Concerned(CloudEvent cloudEvent, Dictionary<ModelKey, string> told)
    {
        switch (ApiServerEvent.Parse(cloudEvent))
        {
            case null:
                return null;
            case { Kind: "CachedModel" } model when !Possible(model.Namespace, model.Name):
                return null;
            case { Kind: "CachedModel" } model:
                var key = new ModelKey(model.Namespace, model.Name);
                if (cloudEvent.Type!.EndsWith(".delete", StringComparison.Ordinal))
                {
                    _seen.TryRemove(key, out _);
                    return [key];
                }

                if (WithoutOthers(cloudEvent.Data as JsonObject) is not { } text)
                {
                    return [key];
                }

                told[key] = text;
                return _seen.TryGetValue(key, out var before) && before == text ? [] : [key];
            case var changed when changed.Labels.TryGetValue(Ownership.ModelLabel, out var name) && Possible(changed.Namespace, name):
                return [new(changed.Namespace, name)];
            default:
                return [];
        }
    }

    /// <summary>Whether a CachedModel can have the name: anybody may write a label, or send an event.</summary>
    private static bool Possible(string ns, string name) => SpecChecks.ObjectName(ns) && SpecChecks.ObjectName(name);

    /// <summary>A hash of all that a look could act on; null: the event carries no object, only its name.</summary>
    internal static string? WithoutOthers(JsonObject? model)
    {
        if (model?["spec"] is not JsonObject)
        {
            return null;
        }

        var rest = model.DeepClone().AsObject();
        (rest["metadata"] as JsonObject)?.Remove("resourceVersion");
        (rest["metadata"] as JsonObject)?.Remove("managedFields");
        foreach (var part in CachedModelStatus.OfOthers)
        {
            (rest["status"] as JsonObject)?.Remove(part);
        }

        return Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(rest.ToJsonString())));
    }
}
