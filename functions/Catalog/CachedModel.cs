using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Catalog;

/// <summary>cachedmodels.prewarm.dev/v1alpha1: one manifest in place of the tutorial's five.</summary>
internal sealed class CachedModel
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public CachedModelSpec? Spec { get; set; }
    public CachedModelStatus? Status { get; set; }
}
