using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// The decision of the whole line, without I/O:
/// 1. a deleted model is taken apart in the tutorial's order;
/// 2. a spec that cannot work is said, and nothing is made;
/// 3. the listing updates the versions; a paused model goes no further;
/// 4. the newest completed version, or the one that a person asks for, is the target;
/// 5. the target's Dataset, JindoRuntime and DataLoad are made, and its warmth is judged;
/// 6. once warm, its revision is made without traffic, asked its golden questions, and given the traffic;
/// 7. caches that nothing needs any more are let go.
/// </summary>
internal static class LinePlanner
{
    private const int MaxSteps = 8;

    /// <summary>Plans until the status stands still, so that one observation is used up in one pass and a second pass writes nothing.</summary>
    public static LinePlan Settle(Observed observed, DateTimeOffset now)
    {
        var plan = Plan(observed, now);
        for (var step = 1; step < MaxSteps; step++)
        {
            var model = observed.Model;
            var next = Plan(observed with { Model = new() { ApiVersion = model.ApiVersion, Kind = model.Kind, Metadata = model.Metadata, Spec = model.Spec, Status = plan.Status } }, now);
            if (Same(next.Status, plan.Status))
            {
                return next;
            }

            plan = next;
        }

        return plan;
    }

    /// <summary>Whether two statuses say the same.</summary>
    public static bool Same(CachedModelStatus? a, CachedModelStatus? b) => JsonNode.DeepEquals(Node(a), Node(b));

    public static LinePlan Plan(Observed observed, DateTimeOffset now)
    {
        var model = observed.Model;
        var before = model.Status ?? new();
        var conditions = new Conditions(before.Conditions ?? [], model.Metadata.Generation, now);

        // 1
        if (model.Metadata.DeletionTimestamp is not null)
        {
            return CleanupStage.Delete(observed, before, conditions);
        }

        // 2
        if (Invalid(observed) is var (reason, message) && reason is not null)
        {
            conditions.Set("Invalid", true, reason, message!);
            conditions.Set("Ready", false, reason, message!);
            return new([], LineSummary.Status(before, model, "Blocked", conditions, before.Versions, null));
        }

        // 3
        var (versions, overwritten) = UploadStage.Read(observed);
        var pass = new LinePass(observed, versions, conditions, now);
        if (VersionChoice.Paused(model))
        {
            return Paused(pass, before, overwritten);
        }

        if (model.Metadata.Finalizers?.Contains(Ownership.Finalizer) != true)
        {
            pass.Actions.Add(new LineAction.Finalize(Present: true));
        }

        // 4
        var (target, handled) = VersionChoice.Choose(pass);
        UploadStage.Say(pass, target, overwritten);

        // 5, 6
        var verdict = new WarmthVerdict(Warmth.Unknown, "NoVersion", "no complete version yet", 0);
        if (target is not null)
        {
            verdict = WarmStage.Plan(pass, target);
            RolloutStage.Plan(pass, target);
        }
        else
        {
            foreach (var type in (string[])["CacheReady", "CacheWarm", "RevisionReady"])
            {
                conditions.Set(type, false, "NoVersion", verdict.Message);
            }

            RolloutStage.StopRefused(pass);
        }

        // 7
        CleanupStage.LetGo(pass, target);
        return new(pass.Actions, Status(pass, before, target, handled, verdict));
    }

    /// <summary>Looks on: what is uploaded is noted, nothing is made, moved or refused, and no clock runs.</summary>
    private static LinePlan Paused(LinePass pass, CachedModelStatus before, List<string> overwritten)
    {
        pass.Conditions.Set("Paused", true, "PausedByAnnotation", $"{VersionChoice.PausedAnnotation} is true: nothing is made or moved until it is removed");
        UploadStage.Say(pass, pass.Versions.FindLast(v => v.CompletedAt is not null), overwritten);
        pass.Conditions.KeepOthers();
        foreach (var version in pass.Versions.Where(v => v.State == VersionState.Warm))
        {
            version.RolloutStartedAt = null;
        }

        return new([], LineSummary.Status(before, pass.Model, before.Phase ?? "Waiting", pass.Conditions, pass.Versions, pass.NextLook));
    }

    private static CachedModelStatus Status(LinePass pass, CachedModelStatus before, VersionStatus? target, HandledRequests? handled, WarmthVerdict verdict)
    {
        var (observed, model, versions) = (pass.Observed, pass.Model, pass.Versions);
        var failure = observed.Uploads?.Failure;
        var serving = pass.Serving;
        pass.Conditions.Set("Serving", serving is not null, serving is null ? "NothingServed" : "VersionServed",
            serving is null ? "no version has taken traffic yet" : $"version {serving.Name} serves since {serving.ServingSince:u}");
        var ready = serving is not null && observed.Service?.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status == "True";
        var phase = LineSummary.Phase(versions, target);
        pass.Conditions.Set("Ready", ready, ready ? "Serving" : phase, ready ? $"version {serving!.Name} serves" : LineSummary.Waiting(versions, target, failure));

        var status = LineSummary.Status(before, model, failure is { Transient: false } ? "Blocked" : phase, pass.Conditions, versions, pass.NextLook);
        status.Version = serving?.Name;
        status.Url = observed.Service?.Status?.Url;
        status.Warmth = verdict.Warmth.ToString();
        status.Cached = target is null ? null : $"{ByteSize.Format(verdict.CachedBytes)}/{ByteSize.Format((double)(target.Bytes ?? 0) * WarmObjects.Copies(model))}";
        status.Traffic = LineSummary.Traffic(observed, versions);
        status.Locality = LineSummary.Locality(pass, target);
        status.Handled = handled;
        return status;
    }

    private static (string? Reason, string? Message) Invalid(Observed observed)
    {
        var model = observed.Model;
        if (model.Location() is null)
        {
            return ("InvalidSource", $"spec.source.uri is '{model.Spec?.Source.Uri}': write oss://<bucket>/<prefix>");
        }

        if (model.Spec!.Source.Endpoint.Length == 0)
        {
            return ("InvalidEndpoint", "spec.source.endpoint is empty: write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com");
        }

        if (observed.Adopted is { } adopted && Ownership.Owns(model, adopted.Metadata))
        {
            return ("OwnDataset", $"spec.cache.existingDataset is {adopted.Metadata.Name}, which was made for this model and may be deleted with its version: name another one, or remove the field");
        }

        if (observed.Service is { } service && !Ownership.Owns(model, service.Metadata))
        {
            return ("ForeignObject", $"InferenceService {service.Metadata.Name} exists and is not this model's: set spec.serving.name to another name, or delete it");
        }

        return default;
    }

    private static JsonNode? Node(CachedModelStatus? status) =>
        JsonSerializer.SerializeToNode(new CachedModel { Status = status }, CatalogKinds.CachedModels.Json);
}
