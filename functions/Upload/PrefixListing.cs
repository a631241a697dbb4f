using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Prewarm.Functions.Upload;

/// <summary>What lay under a prefix at one time; or, with <see cref="Failure"/>, why nobody knows.</summary>
/// <param name="At">When the listing began: whatever was there before is in it.</param>
internal sealed record PrefixListing(DateTimeOffset At, IReadOnlyList<StoredObject> Objects, IReadOnlyList<OpenUpload> Open, UploadFailure? Failure)
{
    /// <summary>The same for two listings that no rule of completeness can tell apart.</summary>
    public string Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Objects)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{file.Key}\0{file.Size}\0{file.ETag}\0{file.LastModified.UtcTicks}\0"));
        }

        foreach (var upload in Open)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"\0{upload.Key}\0{upload.Initiated.UtcTicks}\0{upload.LastPart?.UtcTicks}\0"));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>8 bytes for each object, in order: enough to tell whether an event's object was listed.</summary>
    public ulong[] Marks()
    {
        var marks = new ulong[Objects.Count];
        for (var i = 0; i < marks.Length; i++)
        {
            marks[i] = Mark(Objects[i].Key, Objects[i].ETag);
        }

        Array.Sort(marks);
        return marks;
    }

    public static ulong Mark(string key, string etag) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{key}\0{UploadDigest.NormalETag(etag)}")));
}
