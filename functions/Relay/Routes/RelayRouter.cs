using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Finds the model that a request asks for; pure. A request that finds one costs the outcome and nothing else.</summary>
internal static class RelayRouter
{
    private const string Models = "/models/";

    /// <param name="target">Path and query as the client wrote them.</param>
    public static RelayOutcome Route(CatalogSnapshot catalog, string method, string target)
    {
        var raw = RequestTarget.PathOf(target);
        if (RequestTarget.Problem(target) is { } problem)
        {
            return new RelayOutcome.BadPath(problem);
        }

        // Since no slash can hide in an escape, the decoded path has the raw one's segments.
        var path = raw.Contains('%') ? Uri.UnescapeDataString(raw) : raw;
        path = path.Length > 1 && path[^1] == '/' ? path[1..^1] : path[1..];
        return path.StartsWith("models/") ? ByAddress(catalog, method, target, path["models/".Length..]) : ByPath(catalog, method, target, path);
    }

    /// <summary>The model that a body names: a served name, or namespace/name.</summary>
    public static RelayOutcome ByBody(CatalogSnapshot catalog, string name, RelayOutcome.InBody asked)
    {
        var (model, outcome) = ById(catalog, name);
        return model is null ? outcome! : Target(model, asked.Path, asked.Demand);
    }

    private static RelayOutcome ByPath(CatalogSnapshot catalog, string method, string target, ReadOnlySpan<char> path)
    {
        var route = RelayRoute.Read(path);
        if (Refused(route, method, path) is { } refused)
        {
            return refused;
        }

        switch (route.Kind)
        {
            case RouteKind.Body:
                return new RelayOutcome.InBody(target, route.Demand);
            case RouteKind.OpenAIModel:
                var (card, outcome) = ById(catalog, route.Model);
                return card is null ? outcome! : new RelayOutcome.Own(route.Kind, card);
            case RouteKind.Model:
                return catalog.ByModelName(route.Model) switch
                {
                    [] => new RelayOutcome.Unknown(route.Model.ToString(), RelayLists.Of(catalog).Names),
                    [var model] => Target(model, target, route.Demand),
                    var several => new RelayOutcome.Ambiguous(route.Model.ToString(), Addresses(several)),
                };
            default:
                return new RelayOutcome.Own(route.Kind);
        }
    }

    /// <summary>Everything below an address is the model's own, as long as it is a route that a model has.</summary>
    private static RelayOutcome ByAddress(CatalogSnapshot catalog, string method, string target, ReadOnlySpan<char> path)
    {
        var rest = path;
        var ns = RelayRoute.Next(ref rest);
        var name = RelayRoute.Next(ref rest);
        var route = RelayRoute.Read(rest);
        if (ns.IsEmpty || name.IsEmpty)
        {
            return new RelayOutcome.NoRoute(string.Concat("/models/", path));
        }

        if (Refused(route, method, rest) is { } refused)
        {
            return refused;
        }

        var key = path[..(ns.Length + 1 + name.Length)];
        return catalog.ByAddress(key) is { } model
            ? Target(model, target[Address(target)..], route.Demand)
            : new RelayOutcome.Unknown(key.ToString(), RelayLists.Of(catalog).Addresses);
    }

    private static RelayOutcome? Refused(RelayRoute route, string method, ReadOnlySpan<char> path) =>
        route.Kind == RouteKind.None ? new RelayOutcome.NoRoute(string.Concat("/", path))
        : route.Allows(method) ? null
        : new RelayOutcome.WrongMethod(method, route.Methods);

    /// <summary>How long <c>/models/{namespace}/{name}</c> is in the path as written, where each part may have escapes.</summary>
    private static int Address(string target)
    {
        var at = Models.Length;
        at = target.IndexOf('/', at) + 1;
        return target.IndexOf('/', at);
    }

    /// <summary>A name that is one model's served name and another's address is nobody's: who names a model after another's address would else get its requests.</summary>
    private static (CachedModel? Model, RelayOutcome? Outcome) ById(CatalogSnapshot catalog, ReadOnlySpan<char> id)
    {
        var named = catalog.ByModelName(id);
        var addressed = id.Contains('/') ? catalog.ByAddress(id) : null;
        return named switch
        {
            [] => addressed is null ? (null, new RelayOutcome.Unknown(id.ToString(), RelayLists.Of(catalog).Ids)) : (addressed, null),
            [var model] when addressed is null || addressed == model => (model, null),
            _ => (null, new RelayOutcome.Ambiguous(id.ToString(), Addresses(addressed is null || named.Contains(addressed) ? named : [.. named, addressed]))),
        };
    }

    private static RelayOutcome Target(CachedModel model, string path, bool demand)
    {
        var target = RelayTarget.Of(model);
        return target.Host is { } host ? new RelayOutcome.Found(model, host, path) { Demand = demand } : target.NotServing!;
    }

    private static string[] Addresses(IEnumerable<CachedModel> models) =>
        [.. models.Select(m => $"{Models}{m.Key()}/").Order(StringComparer.Ordinal)];
}
