using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Lists: selectors, pages, Tables.</summary>
internal static class Lists
{
    public static async Task AnswerAsync(Call call, ObjectStore store, TimeProvider time)
    {
        var (all, version) = store.Snapshot(call.Kind, call.Namespace, Selecting(call));
        var limit = int.TryParse(call.Query["limit"], CultureInfo.InvariantCulture, out var l) && l > 0 ? l : int.MaxValue;
        if ((string?)call.Query["continue"] is { Length: > 0 } token)
        {
            var mark = Encoding.UTF8.GetString(Convert.FromHexString(token)).Split('\n');
            var snapshot = long.Parse(mark[0], CultureInfo.InvariantCulture);
            if (snapshot < store.Compacted)
            {
                throw new ApiFailure(410, "Expired", "The provided continue parameter is too old to display a consistent list result.");
            }

            // A later page shows later objects under the first page's version: a watch from there brings the difference again, never loses it.
            (version, all) = (snapshot, [.. all.Where(o => string.CompareOrdinal(Key(o), mark[1]) > 0)]);
        }

        string? next = null;
        long? remaining = null;
        if (all.Count > limit)
        {
            remaining = all.Count - limit;
            all = all[..limit];
            next = Convert.ToHexString(Encoding.UTF8.GetBytes($"{version}\n{Key(all[^1])}"));
        }

        var answer = Table.Wanted(call.Http) ? Table.Of(call.Kind, all, time.GetUtcNow(), Table.Include(call.Http)) : Of(call.Kind, all, version);
        answer["metadata"] = Meta(version, next, remaining);
        await Answers.SendAsync(call.Http, answer);
    }

    public static JsonObject Of(Kind kind, List<JsonObject> items, long version) =>
        new() { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.ListName, ["metadata"] = Meta(version), ["items"] = new JsonArray([.. items]) };

    public static JsonObject Meta(long version, string? next = null, long? remaining = null)
    {
        var meta = new JsonObject { ["resourceVersion"] = version.ToString(CultureInfo.InvariantCulture) };
        if (next is not null)
        {
            meta["continue"] = next;
            meta["remainingItemCount"] = remaining;
        }

        return meta;
    }

    /// <exception cref="ApiFailure">400 for a field that a real server does not index for custom resources.</exception>
    public static Selector Selecting(Call call)
    {
        var fields = (string?)call.Query["fieldSelector"];
        var selector = new Selector(call.Query["labelSelector"], fields);
        return call.Kind.Custom && selector.Fields.FirstOrDefault(f => f is not ("metadata.name" or "metadata.namespace")) is { } unknown
            ? throw ApiFailure.BadRequest($"Unable to find \"{call.Kind.ApiVersion}, Resource={call.Kind.Plural}\" that match label selector \"\", field selector \"{fields}\": field label not supported: {unknown}")
            : selector;
    }

    private static string Key(JsonObject obj) => $"{(string?)obj["metadata"]!["namespace"]}/{(string?)obj["metadata"]!["name"]}";
}
