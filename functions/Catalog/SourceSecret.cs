namespace Prewarm.Functions.Catalog;

/// <summary>The keys of the credentials Secret, as the tutorial and JindoRuntime name them.</summary>
internal static class SourceSecret
{
    public const string IdKey = "fs.oss.accessKeyId";
    public const string SecretKey = "fs.oss.accessKeySecret";
}
