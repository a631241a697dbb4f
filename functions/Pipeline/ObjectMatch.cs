using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// The usual case of <see cref="JsonSubset"/>, at a third of its price: the specs are the same word for word, and the metadata holds ours. True only where that one is true;
/// false says nothing.
/// </summary>
internal static class ObjectMatch
{
    public static bool Alike(object observed, object desired) => (observed, desired) switch
    {
        (Dataset o, Dataset d) => d.Status is null && Named(o.ApiVersion, d.ApiVersion, o.Kind, d.Kind) && Covers(o.Metadata, d.Metadata) && Same(o.Spec, d.Spec, FluidJsonContext.Default.DatasetSpec),
        (JindoRuntime o, JindoRuntime d) => d.Status is null && Named(o.ApiVersion, d.ApiVersion, o.Kind, d.Kind) && Covers(o.Metadata, d.Metadata) && Same(o.Spec, d.Spec, FluidJsonContext.Default.JindoRuntimeSpec),
        (DataLoad o, DataLoad d) => d.Status is null && Named(o.ApiVersion, d.ApiVersion, o.Kind, d.Kind) && Covers(o.Metadata, d.Metadata) && Same(o.Spec, d.Spec, FluidJsonContext.Default.DataLoadSpec),
        (InferenceService o, InferenceService d) => d.Status is null && Named(o.ApiVersion, d.ApiVersion, o.Kind, d.Kind) && Covers(o.Metadata, d.Metadata)
            && (d.Spec is null || (o.Spec is not null && Covers(o.Spec.Predictor, d.Spec.Predictor))),
        _ => false,
    };

    private static bool Named(string? version, string? desiredVersion, string? kind, string? desiredKind) => version == desiredVersion && kind == desiredKind;

    private static bool Same<T>(T? observed, T? desired, JsonTypeInfo<T> json)
        where T : class =>
        desired is null || (observed is not null && JsonSerializer.SerializeToUtf8Bytes(observed, json).AsSpan().SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(desired, json)));

    /// <summary>Of the metadata that an object of ours has; anything else is left to the long way.</summary>
    private static bool Covers(ObjectMeta observed, ObjectMeta desired) =>
        desired is { Uid: null, ResourceVersion: null, Generation: null, CreationTimestamp: null, DeletionTimestamp: null, Finalizers: null }
        && observed.Name == desired.Name && (desired.Namespace is null || observed.Namespace == desired.Namespace)
        && Covers(observed.Labels, desired.Labels) && Covers(observed.Annotations, desired.Annotations) && Covers(observed.OwnerReferences, desired.OwnerReferences);

    private static bool Covers(Dictionary<string, string>? observed, Dictionary<string, string>? desired)
    {
        foreach (var (key, value) in desired ?? [])
        {
            if (observed?.TryGetValue(key, out var there) != true || there != value)
            {
                return false;
            }
        }

        return true;
    }

    private static bool Covers(List<OwnerReference>? observed, List<OwnerReference>? desired) => desired is null || (observed is not null && desired.TrueForAll(d => observed.Exists(o =>
        o.Uid == d.Uid && o.ApiVersion == d.ApiVersion && o.Kind == d.Kind && o.Name == d.Name
        && (d.Controller is null || o.Controller == d.Controller) && (d.BlockOwnerDeletion is null || o.BlockOwnerDeletion == d.BlockOwnerDeletion))));

    private static bool Covers(JsonNode? observed, JsonNode? desired)
    {
        switch (desired)
        {
            case null:
                return true;
            case JsonObject wanted when observed is JsonObject there:
                foreach (var (name, value) in wanted)
                {
                    if (!Covers(there[name], value))
                    {
                        return false;
                    }
                }

                return true;
            case JsonArray wanted when observed is JsonArray there && there.Count == wanted.Count:
                for (var i = 0; i < wanted.Count; i++)
                {
                    if (!Covers(there[i], wanted[i]))
                    {
                        return false;
                    }
                }

                return true;
            case JsonValue wanted when observed is JsonValue:
                return JsonNode.DeepEquals(observed, wanted);
            default:
                return false;
        }
    }
}
