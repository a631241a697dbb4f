using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

/// <summary>Told of every change that may begin an activation or bring it on; returns at once.</summary>
internal interface IActivations
{
    void Saw(Delta<PodAutoscaler> delta);

    void Saw(Delta<Pod> delta);
}
