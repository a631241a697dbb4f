using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Prewarm.Sandbox.ApiServer.Cel;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>What every object must be before it is stored: named as the request says, with valid metadata, pruned, defaulted and validated.</summary>
internal static partial class Admission
{
    private static readonly string[] s_kept = ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"];

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
    private static partial Regex Subdomain();

    [GeneratedRegex("^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
    private static partial Regex LabelValue();

    public static JsonObject Meta(JsonObject obj)
    {
        if (obj["metadata"] is not JsonObject meta)
        {
            obj["metadata"] = meta = [];
        }

        return meta;
    }

    /// <exception cref="ApiFailure">400: the object is of another kind, name or namespace than the request.</exception>
    public static void Identify(Kind kind, string? ns, string name, JsonObject obj)
    {
        var meta = Meta(obj);
        if (kind.Custom && (obj["kind"] is null || obj["apiVersion"] is null))
        {
            // Built-in kinds take both from the URL; custom ones are decoded without a type to fall back on.
            throw ApiFailure.BadRequest($"Object '{(obj["kind"] is null ? "Kind" : "apiVersion")}' is missing in '{obj.ToJsonString()}'");
        }

        if ((string?)obj["apiVersion"] is { } api && api != kind.ApiVersion || (string?)obj["kind"] is { } what && what != kind.Name)
        {
            throw ApiFailure.BadRequest($"the object ({obj["apiVersion"]}, {obj["kind"]}) does not match the request ({kind.ApiVersion}, {kind.Name})");
        }

        if ((string?)meta["name"] is { } given && given != name)
        {
            throw ApiFailure.BadRequest($"the name of the object ({given}) does not match the name on the URL ({name})");
        }

        if (kind.Namespaced && ns is null || (string?)meta["namespace"] is { Length: > 0 } other && ns is not null && other != ns)
        {
            throw ApiFailure.BadRequest("the namespace of the provided object does not match the namespace sent on the request");
        }

        obj["apiVersion"] = kind.ApiVersion;
        obj["kind"] = kind.Name;
        meta["name"] = name;
        if (ns is not null)
        {
            meta["namespace"] = ns;
        }
    }

    /// <summary>The other half stays as it is: a status write changes only status, every other write all but status.</summary>
    public static void Isolate(Kind kind, string subresource, JsonObject before, JsonObject after)
    {
        if (subresource == "status")
        {
            var status = after["status"]?.DeepClone();
            foreach (var key in after.Select(p => p.Key).ToList())
            {
                after.Remove(key);
            }

            foreach (var (key, value) in before)
            {
                after[key] = value?.DeepClone();
            }

            after.Remove("status");
            if (status is not null)
            {
                after["status"] = status;
            }

            return;
        }

        if (kind.HasStatus)
        {
            after.Remove("status");
            if (before["status"] is { } kept)
            {
                after["status"] = kept.DeepClone();
            }
        }

        var (old, now) = (before["metadata"]!.AsObject(), after["metadata"]!.AsObject());
        foreach (var key in s_kept)
        {
            now.Remove(key);
            if (old[key] is { } value)
            {
                now[key] = value.DeepClone();
            }
        }
    }

    /// <exception cref="ApiFailure">400 for unknown fields under strict validation, 422 for what the schema refuses.</exception>
    public static void Check(Kind kind, string name, JsonObject? before, JsonObject obj, WriteOptions options)
    {
        Secrets(kind, obj);
        var problems = new List<string>();
        Metadata(kind, before, obj["metadata"]!.AsObject(), problems);
        if (kind.Schema is not null)
        {
            Prune(kind, obj, options);
            Schema.Default(kind.Schema, obj);
            Schema.Validate(kind.Schema, obj, "", problems);
            Rules(kind, before, obj, problems);
        }
        else if (kind.Resource == "customresourcedefinitions.apiextensions.k8s.io")
        {
            problems.AddRange(CelRules.Problems(obj));
        }

        if (problems.Count > 0)
        {
            throw ApiFailure.Invalid(kind, name, problems);
        }
    }

    /// <summary>Rules are asked only of an object that has the form they were checked against (apiextensions-apiserver, registry/customresource/strategy.go).</summary>
    private static void Rules(Kind kind, JsonObject? before, JsonObject obj, List<string> problems)
    {
        if (problems.Exists(p => p.Contains(": Required value", StringComparison.Ordinal) || p.Contains(": Too long", StringComparison.Ordinal) || p.Contains(" in body must be of type ", StringComparison.Ordinal)))
        {
            if (kind.Rules is not null)
            {
                problems.Add("<nil>: Invalid value: \"null\": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation");
            }
        }
        else
        {
            kind.Rules?.Check(obj, before, "", problems);
        }
    }

    public static void Prune(Kind kind, JsonObject obj, WriteOptions options)
    {
        var unknown = new List<string>();
        Schema.Prune(kind.Schema!, obj, "", unknown);
        if (options.Strict && unknown.Count > 0)
        {
            throw ApiFailure.BadRequest("strict decoding error: " + string.Join(", ", unknown.Select(u => $"unknown field \"{u}\"")));
        }

        options.Warnings.AddRange(unknown.Select(u => $"unknown field \"{u}\""));
    }

    private static void Metadata(Kind kind, JsonObject? before, JsonObject meta, List<string> problems)
    {
        var name = (string)meta["name"]!;
        var names = kind.Group == "rbac.authorization.k8s.io" ? !name.Contains('/') && !name.Contains('%') : name.Length <= 253 && Subdomain().IsMatch(name);
        if (!names)
        {
            problems.Add($"metadata.name: Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character");
        }

        foreach (var (key, value) in meta["labels"] as JsonObject ?? [])
        {
            var text = (string?)value ?? "";
            var bare = key[(key.IndexOf('/') + 1)..];
            if (bare.Length is 0 or > 63 || !LabelValue().IsMatch(bare))
            {
                problems.Add($"metadata.labels: Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', at most 63");
            }

            if (text.Length > 63 || !LabelValue().IsMatch(text))
            {
                problems.Add($"metadata.labels: Invalid value: \"{text}\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', at most 63, and must start and end with an alphanumeric character");
            }
        }

        if (before?["metadata"]?["deletionTimestamp"] is not null)
        {
            var old = (before["metadata"]!["finalizers"] as JsonArray ?? []).Select(f => (string?)f).ToHashSet();
            var added = (meta["finalizers"] as JsonArray ?? []).Select(f => (string?)f).Where(f => !old.Contains(f)).ToList();
            if (added.Count > 0)
            {
                problems.Add($"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers [{string.Join(' ', added)}]");
            }
        }
    }

    private static void Secrets(Kind kind, JsonObject obj)
    {
        if (kind.Resource != "secrets")
        {
            return;
        }

        obj["type"] ??= "Opaque";
        if (obj["stringData"] is JsonObject plain)
        {
            var data = obj["data"] as JsonObject;
            if (data is null)
            {
                obj["data"] = data = [];
            }

            foreach (var (key, value) in plain)
            {
                data[key] = Convert.ToBase64String(Encoding.UTF8.GetBytes((string)value!));
            }

            obj.Remove("stringData");
        }
    }
}
