using System.Text.Json;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Pipeline;

/// <summary>One thing to tell under <c>kubectl describe cachedmodel</c>.</summary>
internal sealed record ModelNews(string Condition, string Reason, string Message, bool Warning)
{
    /// <summary>Says only that nothing has happened yet.</summary>
    private static readonly HashSet<string> Silent = ["NoVersion", "NothingServed", "WaitingForWarmth", "NoCacheFigures"];

    /// <summary>What is new in <paramref name="after"/>: the conditions whose status or reason changed. A message alone (progress) is no news.</summary>
    public static IReadOnlyList<ModelNews> Of(CachedModelStatus? before, CachedModelStatus after)
    {
        var news = new List<ModelNews>();
        // The summary last, and only when it says more than its parts.
        foreach (var condition in (after.Conditions ?? []).OrderBy(c => c.Type == "Ready"))
        {
            var old = before?.Conditions?.Find(c => c.Type == condition.Type);
            var changed = old is null || old.Status != condition.Status || old.Reason != condition.Reason || NewVersion(before, after, condition, old);
            if (changed && !Silent.Contains(condition.Reason) && !news.Exists(n => n.Message == condition.Message))
            {
                news.Add(new(condition.Type, condition.Reason, condition.Message, IsWarning(condition, after)));
            }
        }

        return news;
    }

    // Another fault of the same kind is news.
    // With several versions "True, IndexSatisfied" again is news when it is about another version.
    private static bool NewVersion(CachedModelStatus? before, CachedModelStatus after, ModelCondition condition, ModelCondition old) =>
        condition.Message != old.Message && (condition.Type == "Invalid" || (condition.Type == "UploadComplete"
        && (after.Versions ?? []).Any(v => v.CompletedAt is not null && before?.Versions?.Find(b => b.Name == v.Name)?.CompletedAt != v.CompletedAt)));

    private static bool IsWarning(ModelCondition condition, CachedModelStatus after) => condition.Type switch
    {
        "Invalid" or "Stalled" or "OverwrittenInPlace" or "StrayObjects" or "WarmthUnproven" or "PlacementRelaxed" => condition.Status == "True",
        "UploadComplete" => condition.Status == "Unknown",
        "CacheWarm" => condition.Reason.StartsWith("Load", StringComparison.Ordinal) && condition.Reason.EndsWith("Failed", StringComparison.Ordinal),
        "RevisionReady" => condition.Reason is "VersionRefused" or "NewerVersionRefused",
        _ => after.Phase == "Blocked" && condition.Status != "True",
    };
}

/// <summary>
/// Writes core/v1 Events about a CachedModel. The name comes from what is said, so that the same news again raises a count instead of
/// adding a line. Best effort: news that cannot be written never fails a pass.
/// </summary>
internal sealed class ModelEvents(IKubeApi api, TimeProvider time, ILogger logger)
{
    public async Task TellAsync(CachedModel model, CachedModelStatus after, CancellationToken cancellationToken)
    {
        foreach (var news in ModelNews.Of(model.Status, after))
        {
            try
            {
                await TellAsync(model, news, cancellationToken);
            }
            catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException)
            {
                Log.EventUnwritten(logger, model.Key(), news.Reason, e.Message);
                return;
            }
        }
    }

    private async Task TellAsync(CachedModel model, ModelNews news, CancellationToken cancellationToken)
    {
        var said = ModelEvent.Of(model, $"{news.Condition}\n{news.Reason}\n{news.Message}", news.Reason, news.Message, news.Warning, time.GetUtcNow());
        try
        {
            await api.CreateAsync(CoreKinds.Events, model.Metadata.Namespace, said, cancellationToken);
        }
        catch (KubeApiException e) when (e.IsConflict)
        {
            // It was said before (and the server has not forgotten it yet).
            var name = said.Metadata.Name!;
            if (await api.GetAsync(CoreKinds.Events, model.Metadata.Namespace, name, cancellationToken) is { } before)
            {
                await api.MergePatchAsync(CoreKinds.Events, model.Metadata.Namespace, name,
                    $$"""{"count":{{(before.Count ?? 1) + 1}},"lastTimestamp":"{{said.LastTimestamp:yyyy-MM-dd'T'HH:mm:ss'Z'}}"}""", null, cancellationToken);
            }
        }
    }
}
