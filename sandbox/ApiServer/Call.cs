using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>One request to a kind's endpoint, understood and allowed.</summary>
/// <param name="Namespace">Null for cluster-scoped kinds and for all namespaces.</param>
/// <param name="Name">Null for the collection.</param>
/// <param name="Subresource">Empty, or <c>status</c>.</param>
internal sealed record Call(HttpContext Http, Kind Kind, string? Namespace, string? Name, string Subresource, WriteOptions Options)
{
    public IQueryCollection Query => Http.Request.Query;

    public bool Flag(string name) => (string?)Query[name] is "true" or "1";
}

/// <summary>How one write is done.</summary>
/// <param name="Manager">Field manager.</param>
/// <param name="Strict">Unknown fields are refused; otherwise they are pruned and told in <see cref="Warnings"/>.</param>
/// <param name="Dry">Everything but the storing.</param>
internal sealed record WriteOptions(string Manager, bool Strict = false, bool Dry = false)
{
    public List<string> Warnings { get; } = [];
}
