using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// What KServe's predictor holds that KServe's CRD takes and Knative then cannot run (a negative timeout), or whose form the line cannot fill STORAGE_URI into.
/// Our CRD takes the predictor as it is.
/// </summary>
internal static class PredictorChecks
{
    private const string At = "spec.serving.predictor";

    public static IEnumerable<SpecFault> Of(JsonObject? predictor)
    {
        if (predictor is null)
        {
            yield break;
        }

        if (predictor["timeout"] is { } timeout && Whole(timeout) is not >= 1)
        {
            yield return Fault("timeout", timeout, "write whole seconds above 0; Knative's own limit is 600 unless max-revision-timeout-seconds says more");
        }

        foreach (var name in (string[])["minReplicas", "maxReplicas"])
        {
            if (predictor[name] is { } replicas && Whole(replicas) is not (>= 0 and <= int.MaxValue))
            {
                yield return Fault(name, replicas, "write a whole number, 0 or more");
            }
        }

        if (Whole(predictor["maxReplicas"]) is > 0 and var most && Whole(predictor["minReplicas"]) > most)
        {
            yield return Fault("minReplicas", predictor["minReplicas"]!, $"it is above maxReplicas, which is {most}: lower it");
        }

        foreach (var fault in Containers(predictor["containers"]))
        {
            yield return fault;
        }
    }

    private static IEnumerable<SpecFault> Containers(JsonNode? containers)
    {
        if (containers is null)
        {
            yield break;
        }

        if (containers is not JsonArray list || list.Any(c => c is not JsonObject))
        {
            yield return Fault("containers", containers, "write a list of containers");
            yield break;
        }

        for (var i = 0; i < list.Count; i++)
        {
            var container = list[i]!.AsObject();
            var at = $"containers[{i}]";
            if (container["env"] is { } env && (env is not JsonArray variables || variables.Any(v => v is not JsonObject variable || variable["name"]?.GetValueKind() != JsonValueKind.String)))
            {
                yield return Fault($"{at}.env", env, "write a list of name and value");
            }

            foreach (var field in (string[])["limits", "requests"])
            {
                if (container["resources"] is { } resources && (resources is not JsonObject parts || (parts[field] is { } part && part is not JsonObject)))
                {
                    yield return Fault($"{at}.resources", resources, "write limits and requests, each with names and quantities");
                    break;
                }
            }
        }
    }

    private static long? Whole(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue<decimal>(out var number)
        && number == decimal.Truncate(number) && number is >= long.MinValue and <= long.MaxValue ? (long)number : null;

    private static SpecFault Fault(string field, JsonNode value, string fix) => new("InvalidPredictor", $"{At}.{field}", ObjectKeys.Printable(value.ToJsonString()), fix);
}
