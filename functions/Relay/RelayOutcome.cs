using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>What is to be done with one request for a prediction.</summary>
internal abstract record RelayOutcome
{
    /// <summary>Forward to the gateway with <paramref name="Host"/> as Host and <paramref name="Path"/> (decoded) as path.</summary>
    public sealed record Found(CachedModel Model, string Host, string Path) : RelayOutcome;

    /// <summary>GET /v1/models: the models there are (KServe V1 protocol).</summary>
    public sealed record ModelList(IReadOnlyList<string> Models) : RelayOutcome;

    /// <summary>No such model.</summary>
    public sealed record Unknown(string Asked, IReadOnlyList<string> Known) : RelayOutcome;

    /// <summary>The path does not say which model of several is meant.</summary>
    public sealed record Ambiguous(string Asked, IReadOnlyList<string> Candidates) : RelayOutcome;

    /// <summary>The model is there but no version of it serves yet.</summary>
    public sealed record NotServing(CachedModel Model, string Phase, string Message) : RelayOutcome;
}
