using System.Text.Json;

namespace Prewarm.Functions.Upload;

/// <summary>What an index or a manifest demands: full keys, with the size where it names one; or the fault that makes it unusable.</summary>
internal sealed record UploadDemand(IReadOnlyList<(string Key, long? Size)> Files, string? Fault);

/// <summary>Reads Hugging Face's <c>*.index.json</c> and Prewarm's <c>manifest.json</c>.</summary>
internal static class UploadDocuments
{
    /// <summary>Bytes; the index of a model with a thousand shards is a few MiB.</summary>
    public const int MaxBytes = 16 * 1024 * 1024;

    /// <summary>Indexes and manifests of one version, and their bytes together; more is no model.</summary>
    public const int MaxCount = 16;
    public const int MaxTotalBytes = 32 * 1024 * 1024;

    private static readonly JsonDocumentOptions Unique = new() { AllowDuplicateProperties = false };

    public static bool IsIndex(string key) => key.EndsWith(".index.json", StringComparison.Ordinal);

    /// <summary><c>{"weight_map":{tensor: file}}</c>; the files lie beside the index.</summary>
    public static UploadDemand ReadIndex(string key, ReadOnlyMemory<byte> json)
    {
        var folder = key[..(key.LastIndexOf('/') + 1)];
        return Read(key, json, root =>
        {
            if (!root.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            {
                return Faulty($"{key} has no weight_map");
            }

            var files = new SortedSet<string>(StringComparer.Ordinal);
            foreach (var tensor in map.EnumerateObject())
            {
                if (tensor.Value.ValueKind != JsonValueKind.String)
                {
                    return Faulty($"{ObjectKeys.Printable(key)}: the weight_map entry {ObjectKeys.Printable(tensor.Name)} is not a file name");
                }

                files.Add(tensor.Value.GetString()!);
            }

            if (files.Count == 0)
            {
                return Faulty($"{key} has an empty weight_map");
            }

            return files.Select(f => (File: f, Fault: BadName(f))).FirstOrDefault(f => f.Fault is not null) is { Fault: { } fault } bad
                ? Faulty($"{key} names \"{ObjectKeys.Printable(bad.File)}\", which {fault}")
                : new([.. files.Select(f => (folder + f, (long?)null))], null);
        });
    }

    /// <summary><c>{"files":[{"path","size"}]}</c>; paths are relative to the version's folder.</summary>
    public static UploadDemand ReadManifest(string key, ReadOnlyMemory<byte> json)
    {
        var folder = key[..(key.LastIndexOf('/') + 1)];
        return Read(key, json, root =>
        {
            if (!root.TryGetProperty("files", out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
            {
                return Faulty($"{key} has no list of files");
            }

            var files = new Dictionary<string, long?>(StringComparer.Ordinal);
            foreach (var file in list.EnumerateArray())
            {
                if (file.ValueKind != JsonValueKind.Object
                    || !file.TryGetProperty("path", out var path) || path.ValueKind != JsonValueKind.String
                    || !file.TryGetProperty("size", out var size) || size.ValueKind != JsonValueKind.Number || !size.TryGetInt64(out var bytes))
                {
                    return Faulty($"{key}: every file needs a path and a size in bytes");
                }

                var name = path.GetString()!;
                if (BadName(name) is { } fault)
                {
                    return Faulty($"{key} names \"{ObjectKeys.Printable(name)}\", which {fault}");
                }

                if (bytes < 0)
                {
                    return Faulty($"{key} gives \"{ObjectKeys.Printable(name)}\" the size {bytes}");
                }

                if (!files.TryAdd(folder + name, bytes) && files[folder + name] != bytes)
                {
                    return Faulty($"{key} names \"{ObjectKeys.Printable(name)}\" twice, with two sizes");
                }
            }

            return new([.. files.Select(f => (f.Key, f.Value))], null);
        });
    }

    private static string? BadName(string path) =>
        path.Length == 0 || path[0] == '/' || path.Contains('\\') || path.Split('/').Any(s => s is "" or "." or "..") ? "lies outside its folder"
        : ObjectKeys.UnusableBecause(path) is { } why ? $"{why}, and Fluid cannot load that"
        : null;

    private static UploadDemand Faulty(string fault) => new([], fault);

    private static UploadDemand Read(string key, ReadOnlyMemory<byte> json, Func<JsonElement, UploadDemand> read)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Unique);
            return document.RootElement.ValueKind == JsonValueKind.Object ? read(document.RootElement) : Faulty($"{key} is not a JSON object");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string with an unpaired surrogate.
            return Faulty($"{key} is not readable JSON ({ObjectKeys.Printable(e.Message)})");
        }
    }
}
