using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>What is to be done with one request for a prediction.</summary>
internal abstract record RelayOutcome
{
    private static readonly UriCreationOptions s_exact = new() { DangerousDisablePathAndQueryCanonicalization = true };

    /// <summary>Forward to the gateway with <paramref name="Host"/> as Host.</summary>
    /// <param name="Path">Path and query as the client wrote them; the address <c>/models/{namespace}/{name}</c> is taken off.</param>
    public sealed record Found(CachedModel Model, string Host, string Path) : RelayOutcome
    {
        /// <summary>A prediction, which counts as an arrival; anything else (readiness, lists) does not.</summary>
        public bool Demand { get; init; }

        /// <summary>Where it goes. Nothing of the path is decoded or made canonical: <see cref="RequestTarget"/> has refused what that could matter for.</summary>
        /// <param name="gateway">The gateway's URL.</param>
        public Uri To(string gateway) => new(string.Concat(gateway.AsSpan().TrimEnd('/'), Path), in s_exact);
    }

    /// <summary>The relay answers by itself, from the catalog.</summary>
    /// <param name="Model">For one model's card; else null.</param>
    public sealed record Own(RouteKind Kind, CachedModel? Model = null) : RelayOutcome;

    /// <summary>Only the body tells the model (OpenAI): read it, then ask <see cref="RelayRouter.ByBody"/>.</summary>
    public sealed record InBody(string Path, bool Demand) : RelayOutcome;

    /// <summary>No such model.</summary>
    public sealed record Unknown(string Asked, IReadOnlyList<string> Known) : RelayOutcome;

    /// <summary>The request does not say which model of several is meant.</summary>
    public sealed record Ambiguous(string Asked, IReadOnlyList<string> Candidates) : RelayOutcome;

    /// <summary>The model is there but no version of it serves yet.</summary>
    public sealed record NotServing(CachedModel Model, string Phase, string Message) : RelayOutcome;

    /// <summary>The relay serves no such path.</summary>
    public sealed record NoRoute(string Path) : RelayOutcome;

    /// <summary>Not everybody would read the path alike.</summary>
    public sealed record BadPath(string Reason) : RelayOutcome;

    /// <summary>The path is there, for other methods.</summary>
    public sealed record WrongMethod(string Method, string Allowed) : RelayOutcome;
}
