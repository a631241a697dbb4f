namespace Prewarm.Functions.Catalog;

/// <summary>One read of a version on a node, through its PVC as a pod would.</summary>
internal sealed class ReadStatus
{
    public string Node { get; set; } = "";
    public string? Version { get; set; }
    public string? Digest { get; set; }

    /// <summary>Passed; Slow: below <c>cache.readFloor</c>; Failed: the bytes did not all come.</summary>
    public string Result { get; set; } = "";

    /// <summary>Bytes that came.</summary>
    public long? Bytes { get; set; }
    public double? Seconds { get; set; }

    /// <summary>For a person.</summary>
    public string? Message { get; set; }

    /// <summary>When the read began: a worker that restarted later has not been read since.</summary>
    public DateTimeOffset? At { get; set; }
}
