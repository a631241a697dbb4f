using System.Text.Json.Nodes;
using CloudNative.CloudEvents;

namespace Prewarm.Functions.Events;

/// <summary>An object became readable. The key is raw UTF-8 as OSS sends it and is never decoded.</summary>
internal sealed record OssObjectEvent(string Bucket, string Key, string ETag, long Size, string EventName)
{
    private const string Created = "ObjectCreated:";

    /// <summary>The parts of a multipart upload fire events too; only these mean that the object can be read.</summary>
    public bool Counts => EventName is Created + "PutObject" or Created + "PostObject" or Created + "CopyObject" or Created + "CompleteMultipartUpload";

    /// <summary>From an event of <c>acs.oss</c>; null when it names no bucket and key.</summary>
    public static OssObjectEvent? Parse(CloudEvent cloudEvent)
    {
        var data = cloudEvent.Data as JsonObject;
        var oss = data?["oss"] as JsonObject;
        var item = oss?["object"] as JsonObject;
        var bucket = Text((oss?["bucket"] as JsonObject)?["name"]);
        var key = Text(item?["key"]);
        if (string.IsNullOrEmpty(bucket) || string.IsNullOrEmpty(key))
        {
            return null;
        }

        var name = Text(data?["eventName"]) ?? cloudEvent.Type ?? "";
        name = name.StartsWith("oss:", StringComparison.Ordinal) ? name[4..] : name;
        var size = item?["size"] is JsonValue number && number.TryGetValue<long>(out var bytes) ? bytes : 0;
        return new(bucket, key, Text(item?["eTag"]) ?? "", size, name);
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
