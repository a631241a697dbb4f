using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>What the next look at a model would do, and why, without doing it.</summary>
internal sealed class PlanFunction(IKubeApi api, IUploadSource uploads, TimeProvider time, ICatalog? catalog = null)
{
    /// <summary>Reads the cluster and lists the store, as a look does.</summary>
    private static readonly TimeSpan LookLimit = TimeSpan.FromSeconds(20);

    [Function("ModelsPlan")]
    public async Task<IResult> Plan([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "api/models/{ns}/{name}/plan")] HttpRequest request, FunctionContext context)
    {
        var key = new ModelKey(request.RouteValues["ns"] as string ?? "", request.RouteValues["name"] as string ?? "");
        using var limit = new CancellationTokenSource(LookLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, request.HttpContext.RequestAborted);
        try
        {
            return await PlanAsync(key, either.Token) is { } view
                ? Results.Text(JsonSerializer.Serialize(view, PlanJsonContext.Default.PlanView), "application/json")
                : Problem(StatusCodes.Status404NotFound, $"there is no CachedModel {key}");
        }
        catch (KubeApiException e) when (!e.IsTransient)
        {
            return Problem(StatusCodes.Status403Forbidden, $"the API server refuses what a plan must read: {e.Message}");
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException || (e is OperationCanceledException && limit.IsCancellationRequested))
        {
            return Problem(StatusCodes.Status503ServiceUnavailable, e is OperationCanceledException ? $"no answer within {LookLimit.TotalSeconds} s: ask again" : $"the API server does not answer: {e.Message}");
        }
    }

    /// <summary>Null when the model does not exist.</summary>
    internal async Task<PlanView?> PlanAsync(ModelKey key, CancellationToken cancellationToken)
    {
        var model = await api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, cancellationToken);
        if (model is null)
        {
            return null;
        }

        var observed = await new ModelObserver(api, uploads, catalog).ObserveAsync(model, null, null, fresh: false, cancellationToken);
        var plan = LinePlanner.Settle(observed, time.GetUtcNow());
        return PlanView.Of(observed, plan);
    }

    private static IResult Problem(int status, string error) =>
        Results.Text(JsonSerializer.Serialize(new(error), PlanJsonContext.Default.PlanProblem), "application/json", statusCode: status);
}

/// <summary>A plan for a person.</summary>
/// <param name="Steps">What would be done now, in order; empty when nothing is to be done.</param>
/// <param name="Conditions">Why, as the status would say it afterwards.</param>
/// <param name="StatusChanges">Whether the CachedModel's status would be written.</param>
/// <param name="NextLook">When the next look is due though nothing happens.</param>
internal sealed record PlanView(
    string Namespace, string Name, string? Phase, IReadOnlyList<PlanStep> Steps, IReadOnlyList<ModelCondition> Conditions, IReadOnlyList<VersionStatus> Versions, bool StatusChanges, DateTimeOffset? NextLook)
{
    public static PlanView Of(Observed observed, LinePlan plan)
    {
        var key = observed.Model.Key();
        return new(key.Namespace, key.Name, plan.Status.Phase, [.. plan.Actions.Select(a => PlanStep.Of(a, plan.Status))], plan.Status.Conditions ?? [], plan.Status.Versions ?? [],
            !LinePlanner.Same(observed.Model.Status, plan.Status), plan.Status.NextLook);
    }
}

/// <param name="Verb">apply, delete or ask.</param>
/// <param name="Why">The sentence of the status that this step follows from.</param>
/// <param name="Object">The object as it would be applied.</param>
internal sealed record PlanStep(string Verb, string Kind, string Name, string Why, JsonNode? Object)
{
    public static PlanStep Of(LineAction action, CachedModelStatus status) => action switch
    {
        LineAction.Finalize { Present: true } => new("apply", "CachedModel", Ownership.Finalizer, "before anything is made there is a finalizer that takes it apart again", null),
        LineAction.Finalize => new("apply", "CachedModel", Ownership.Finalizer, "everything is gone: the finalizer is taken off", null),
        LineAction.ApplyDataset a => new("apply", "Dataset", a.Dataset.Metadata.Name!, Said(status, "UploadComplete"), JsonSerializer.SerializeToNode(a.Dataset, Warm.FluidKinds.Datasets.Json)),
        LineAction.ApplyRuntime a => new("apply", "JindoRuntime", a.Runtime.Metadata.Name!, Said(status, "CacheReady"), JsonSerializer.SerializeToNode(a.Runtime, Warm.FluidKinds.JindoRuntimes.Json)),
        LineAction.ApplyLoad a => new("apply", "DataLoad", a.Load.Metadata.Name!, Said(status, "CacheWarm"), JsonSerializer.SerializeToNode(a.Load, Warm.FluidKinds.DataLoads.Json)),
        LineAction.ApplyService a => new("apply", "InferenceService", a.Service.Metadata.Name!, Said(status, "RevisionReady"), JsonSerializer.SerializeToNode(a.Service, Rollout.ServingKinds.InferenceServices.Json)),
        LineAction.Prove a => new("ask", "golden.jsonl", a.GoldenKey, $"version {a.Version} takes traffic only when its golden predictions pass at {a.Url}", null),
        LineAction.DeleteService a => new("delete", "InferenceService", a.Name, Ending(status), null),
        LineAction.DeleteLoad a => new("delete", "DataLoad", a.Name, Ending(status), null),
        LineAction.DeleteDataset a => new("delete", "Dataset", a.Name, Ending(status), null),
        LineAction.DeleteRuntime a => new("delete", "JindoRuntime", a.Name, Ending(status), null),
        _ => throw new InvalidOperationException($"no words for {action.GetType().Name}"),
    };

    private static string Said(CachedModelStatus status, string condition) => status.Conditions?.Find(c => c.Type == condition)?.Message ?? "";

    private static string Ending(CachedModelStatus status) =>
        status.Phase == "Deleting" ? "the CachedModel is being deleted" : "no version that is kept (spec.cache.keepVersions) or serves needs it";
}

internal sealed record PlanProblem(string Error);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(PlanView))]
[JsonSerializable(typeof(PlanProblem))]
internal sealed partial class PlanJsonContext : JsonSerializerContext;
