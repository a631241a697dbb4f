namespace Prewarm.Functions.Catalog;

/// <summary>Namespace and name of a CachedModel.</summary>
internal readonly record struct ModelKey(string Namespace, string Name)
{
    public override string ToString() => $"{Namespace}/{Name}";
}
