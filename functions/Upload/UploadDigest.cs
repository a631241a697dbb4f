using System.Security.Cryptography;
using System.Text;

namespace Prewarm.Functions.Upload;

/// <summary>The identity of a version: what its files are, not when they came or in which order they were listed.</summary>
internal static class UploadDigest
{
    /// <summary>The first 32 hex digits of SHA-256 over the sorted (full key, size, ETag) of the files.</summary>
    public static string Of(IEnumerable<StoredObject> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in files.OrderBy(f => f.Key, StringComparer.Ordinal))
        {
            // NUL cannot be in a key that travelled as XML, so no two listings share one text.
            hash.AppendData(Encoding.UTF8.GetBytes($"{file.Key}\0{file.Size}\0{NormalETag(file.ETag)}\0"));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..32];
    }

    /// <summary>Without quotes and in lower case.</summary>
    public static string NormalETag(string etag) => etag.Trim('"').ToLowerInvariant();
}
