namespace Prewarm.Functions.Pipeline;

/// <summary>Somebody else's object has a name that the line needs; it is left alone.</summary>
internal sealed class ForeignObjectException(string kind, string? name)
    : Exception($"{kind} {name} exists and is not this model's: delete it, or give the CachedModel another name")
{
    public const string Reason = "ForeignObject";
}
