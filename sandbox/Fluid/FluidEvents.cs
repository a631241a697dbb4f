using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>core/v1 Events as the Fluid controllers write them; the same event twice is one object.</summary>
internal sealed class FluidEvents(IKubeApi api, TimeProvider time)
{
    public async Task WarnAsync(JsonObject about, string reason, string message, CancellationToken cancellationToken)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{about.Text("metadata", "uid")} {reason} {message}")))[..16];
        var now = time.GetUtcNow();
        try
        {
            await api.CreateAsync(CoreKinds.Events, about.Namespace(), new()
            {
                Metadata = new() { Name = $"{about.Name()}.{hash}", Namespace = about.Namespace() },
                InvolvedObject = new() { ApiVersion = about.Text("apiVersion"), Kind = about.Text("kind"), Namespace = about.Namespace(), Name = about.Name(), Uid = about.Text("metadata", "uid") },
                Type = "Warning",
                Reason = reason,
                Message = message,
                Source = new() { Component = about.Text("kind") + "Controller" },
                FirstTimestamp = now,
                LastTimestamp = now,
                Count = 1,
            }, cancellationToken);
        }
        catch (KubeApiException e) when (e.IsConflict || e.IsNotFound || e.Reason == "Forbidden")
        {
            // Told before, or the namespace is going away.
        }
    }
}
