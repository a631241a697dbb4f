using System.Globalization;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>A pod's way to its node: what a scheduler posts to <c>pods/NAME/binding</c>. Nothing else may set spec.nodeName of a pod that is there (kubernetes pkg/registry/core/pod/storage/storage.go, assignPod).</summary>
internal sealed class Binding(Writer writer, TimeProvider time)
{
    /// <exception cref="ApiFailure">404 for a pod that is not there, 409 for one that has a node or is being deleted, 422 without a node.</exception>
    public JsonObject Bind(Kind kind, string ns, string name, JsonObject binding)
    {
        var node = (string?)binding["target"]?["name"];
        if (string.IsNullOrEmpty(node))
        {
            throw ApiFailure.Invalid(kind, name, ["target.name: Required value"]);
        }

        writer.Change(kind, ns, name, "", new("scheduler"), pod =>
        {
            if (pod["metadata"]!["deletionTimestamp"] is not null || (string?)pod["spec"]?["nodeName"] is { Length: > 0 })
            {
                throw new ApiFailure(409, "Conflict", $"Operation cannot be fulfilled on pods/binding \"{name}\": pod {name} is already assigned to node \"{(string?)pod["spec"]?["nodeName"]}\"");
            }

            pod["spec"]!["nodeName"] = node;
            return pod;
        });
        writer.Change(kind, ns, name, "status", new("scheduler"), pod =>
        {
            var status = pod["status"] as JsonObject ?? [];
            pod["status"] = status;
            var others = (status["conditions"] as JsonArray ?? []).Where(c => (string?)c?["type"] != "PodScheduled").Select(c => c!.DeepClone());
            status["conditions"] = new JsonArray([.. others, new JsonObject
            {
                ["type"] = "PodScheduled", ["status"] = "True", ["lastTransitionTime"] = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            }]);
            return pod;
        });
        return new() { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["code"] = 201 };
    }
}
