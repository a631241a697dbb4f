using System.Diagnostics;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Spans of the line; exported when OTLP is configured. The event that began a version is in the version's status, so that the object
/// which a much later look makes for it is in the trace of the upload, and not in that of whatever woke the look.
/// </summary>
internal static class LineTracing
{
    public static readonly ActivitySource Source = new("Prewarm");

    /// <summary>The span of one look at a model.</summary>
    public static Activity? Look(ModelKey model, string? cause)
    {
        var activity = Source.StartActivity("advance", ActivityKind.Consumer, Parse(cause));
        activity?.SetTag("prewarm.model", model.ToString());
        return activity;
    }

    /// <summary>The span of one step, in the trace of its version's upload where that is known.</summary>
    public static Activity? Step(LineAction action, ModelKey model, CachedModelStatus status)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var (name, digest, target) = Describe(action);
        var version = status.Versions?.Find(v => digest is not null ? v.Digest == digest : v.Name == (action as LineAction.Prove)?.Version);
        var look = Activity.Current?.Context ?? default;
        var upload = Parse(version?.Traceparent);
        var parent = upload.TraceId == default || upload.TraceId == look.TraceId ? look : upload;
        ActivityLink[] links = look.TraceId == default || parent.TraceId == look.TraceId ? [] : [new(look)];
        var span = Source.StartActivity(name, ActivityKind.Client, parent, links: links);
        span?.SetTag("prewarm.model", model.ToString());
        span?.SetTag("prewarm.version", version?.Name);
        span?.SetTag("k8s.object.name", target);
        return span;
    }

    private static (string Name, string? Digest, string? Target) Describe(LineAction action) => action switch
    {
        LineAction.ApplyDataset a => Of("apply Dataset", a.Dataset.Metadata),
        LineAction.ApplyRuntime a => Of("apply JindoRuntime", a.Runtime.Metadata),
        LineAction.ApplyLoad a => Of("apply DataLoad", a.Load.Metadata),
        LineAction.ApplyService a => Of("apply InferenceService", a.Service.Metadata),
        LineAction.DeleteService a => ("delete InferenceService", null, a.Name),
        LineAction.DeleteLoad a => ("delete DataLoad", null, a.Name),
        LineAction.DeleteDataset a => ("delete Dataset", null, a.Name),
        LineAction.DeleteRuntime a => ("delete JindoRuntime", null, a.Name),
        LineAction.Prove => ("prove revision", null, null),
        _ => ("finalize CachedModel", null, null),
    };

    private static (string Name, string? Digest, string? Target) Of(string name, ObjectMeta meta) =>
        (name, meta.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation), meta.Name);

    private static ActivityContext Parse(string? traceparent) =>
        ActivityContext.TryParse(traceparent, null, isRemote: true, out var context) ? context : default;
}
