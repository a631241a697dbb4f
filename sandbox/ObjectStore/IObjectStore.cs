namespace Prewarm.Sandbox.ObjectStore;

/// <summary>An object store behind the one remote link: its bytes are counted where they leave it, and what is uploaded is told as OSS tells it.</summary>
internal interface IObjectStore : IAsyncDisposable
{
    Uri Endpoint { get; }

    string AccessKeyId { get; }

    string AccessKeySecret { get; }

    /// <summary>Where events go, as an EventBridge HTTP target; null drops them.</summary>
    Uri? EventSink { get; set; }

    /// <summary>Sent as <c>x-eventbridge-signature-token</c>.</summary>
    string? EventToken { get; set; }

    /// <value>The link's rate; 0 = no limit.</value>
    long BytesPerSecond { get; set; }

    /// <summary>Bytes of object bodies sent, of keys under a prefix; a null bucket means all.</summary>
    long BytesReadUnder(string? bucket, string prefix);
}
