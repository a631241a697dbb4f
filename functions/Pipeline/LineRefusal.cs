using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>The status of a model whose pass was refused, by the API server or because a name is somebody else's.</summary>
internal static class LineRefusal
{
    /// <summary>Roles are bound and CRDs are installed while we run: look again after so long.</summary>
    internal static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(60);

    /// <summary>All that was known stays; Ready says what was refused.</summary>
    public static CachedModelStatus Status(CachedModel model, string reason, string message, DateTimeOffset now)
    {
        var before = model.Status ?? new();
        var conditions = new Conditions(before.Conditions ?? [], model.Metadata.Generation, now);
        conditions.Set("Ready", false, reason, message);
        conditions.KeepOthers();
        var status = LineSummary.Status(before, model, model.Metadata.DeletionTimestamp is null ? "Blocked" : "Deleting", conditions, before.Versions, null);
        status.NextLook = Conditions.Seconds(now + LookAgain);
        return status;
    }
}
