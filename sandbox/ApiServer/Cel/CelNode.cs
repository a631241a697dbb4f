namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>A rule as a tree.</summary>
/// <param name="At">Where in the rule it begins, or where its operator stands; characters from 0.</param>
internal abstract record CelNode(int At)
{
    /// <param name="Value">long, double, string, bool or null.</param>
    public sealed record Literal(int At, object? Value) : CelNode(At);

    public sealed record Name(int At, string Text) : CelNode(At);

    public sealed record ListOf(int At, IReadOnlyList<CelNode> Items) : CelNode(At);

    public sealed record Select(int At, CelNode Of, string Field) : CelNode(At);

    public sealed record Has(int At, CelNode Of, string Field) : CelNode(At);

    public sealed record Index(int At, CelNode Of, CelNode Key) : CelNode(At);

    /// <param name="Function">As cel-go names it: <c>_+_</c>, <c>@in</c>, <c>size</c>.</param>
    /// <param name="Target">For <c>target.function(arguments)</c>.</param>
    public sealed record Call(int At, string Function, CelNode? Target, IReadOnlyList<CelNode> Arguments) : CelNode(At);

    /// <param name="Macro">all, exists, exists_one, filter or map.</param>
    public sealed record Over(int At, string Macro, CelNode Range, string Variable, CelNode Body) : CelNode(At);
}
