using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Finds the model that a path asks for; pure.</summary>
internal static class RelayRouter
{
    /// <param name="path">Decoded path with its leading slash.</param>
    public static RelayOutcome Route(CatalogSnapshot catalog, string path)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return parts switch
        {
            ["models", var ns, var name, ..] => ByKey(catalog, new(ns, name), path),
            ["v1", "models"] => new RelayOutcome.ModelList(Names(catalog)),
            ["v1" or "v2", "models", var last, ..] => ByName(catalog, WithoutVerb(last), path),
            // Server-wide and OpenAI paths name no model: only the full address can tell.
            _ => new RelayOutcome.Ambiguous(path, Addresses(catalog.Models)),
        };
    }

    /// <summary>KServe's V1 protocol hangs the verb on the name (<c>bloom:predict</c>); no model name has a colon.</summary>
    private static string WithoutVerb(string segment) =>
        segment.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? segment[..colon] : segment;

    private static RelayOutcome ByKey(CatalogSnapshot catalog, ModelKey key, string path)
    {
        if (!catalog.ByKey.TryGetValue(key, out var model))
        {
            return new RelayOutcome.Unknown(key.ToString(), Names(catalog));
        }

        var prefix = $"/models/{key.Namespace}/{key.Name}";
        return Target(model, path.StartsWith(prefix, StringComparison.Ordinal) && path.Length > prefix.Length ? path[prefix.Length..] : "/");
    }

    private static RelayOutcome ByName(CatalogSnapshot catalog, string name, string path) => catalog.ByModelName(name) switch
    {
        [] => new RelayOutcome.Unknown(name, Names(catalog)),
        [var model] => Target(model, path),
        var several => new RelayOutcome.Ambiguous(name, Addresses(several)),
    };

    private static RelayOutcome Target(CachedModel model, string path)
    {
        var status = model.Status;
        // status.url is there before the first version has traffic; without one the gateway could only answer 404.
        if (status?.Version is { Length: > 0 } && status.Phase != "Deleting"
            && Uri.TryCreate(status.Url, UriKind.Absolute, out var url) && url.Host.Length > 0)
        {
            return new RelayOutcome.Found(model, url.Authority, path);
        }

        var message = status?.Conditions?.Find(c => c.Type == "Ready")?.Message;
        return new RelayOutcome.NotServing(model, status?.Phase ?? "Waiting", string.IsNullOrEmpty(message) ? "no version serves yet" : message);
    }

    private static string[] Names(CatalogSnapshot catalog) =>
        [.. catalog.Models.Select(m => m.ModelName()).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    private static string[] Addresses(IEnumerable<CachedModel> models) =>
        [.. models.Select(m => $"/models/{m.Key()}/").Order(StringComparer.Ordinal)];
}
