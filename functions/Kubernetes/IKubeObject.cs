namespace Prewarm.Functions.Kubernetes;

/// <summary>A typed object with its metadata.</summary>
internal interface IKubeObject
{
    ObjectMeta Metadata { get; }
}
