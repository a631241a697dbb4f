namespace Prewarm.Sandbox.ObjectStore;

/// <summary>What the object store starts with.</summary>
internal sealed class ObjectStoreOptions
{
    public string AccessKeyId { get; init; } = "sandbox";

    public string AccessKeySecret { get; init; } = "sandbox-secret";

    /// <summary>Made at start; null or empty makes none.</summary>
    public string? Bucket { get; init; }

    /// <summary>Where events go, as an EventBridge HTTP target; null drops them.</summary>
    public Uri? EventSink { get; init; }

    /// <summary>Sent as <c>x-eventbridge-signature-token</c>.</summary>
    public string? EventToken { get; init; }

    /// <summary>Asked for each event: true, and it is lost.</summary>
    public Func<bool> LosesEvent { get; init; } = static () => false;

    /// <summary>The remote link that all object reads share; 0 = no limit.</summary>
    public long BytesPerSecond { get; init; }

    public string Region { get; init; } = "cn-hangzhou";

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
