using Microsoft.AspNetCore.Http.Metadata;

namespace Prewarm.Functions.Relay;

/// <summary>Lifts the server's own bound on bodies: the relay has one that can be set (Relay__MaxBodyBytes).</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RelaySizeLimitAttribute : Attribute, IRequestSizeLimitMetadata
{
    public long? MaxRequestBodySize => null;
}
