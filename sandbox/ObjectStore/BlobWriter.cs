using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>Takes a body as it comes, with its MD5: up to a megabyte in memory, more into a temporary file.</summary>
internal sealed class BlobWriter : IDisposable
{
    private const int InMemory = 1 << 20;
#pragma warning disable CA5351 // S3's ETag is an MD5.
    private readonly IncrementalHash _md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351
    private readonly MemoryStream _memory = new();
    private SafeFileHandle? _file;
    private long _length;

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        _md5.AppendData(bytes.Span);
        if (_file is null && _memory.Length + bytes.Length <= InMemory)
        {
            _memory.Write(bytes.Span);
            _length += bytes.Length;
            return;
        }

        if (_file is null)
        {
            _file = Temporary();
            await RandomAccess.WriteAsync(_file, _memory.GetBuffer().AsMemory(0, (int)_memory.Length), 0, cancellationToken);
        }

        await RandomAccess.WriteAsync(_file, bytes, _length, cancellationToken);
        _length += bytes.Length;
    }

    /// <returns>The blob and its MD5 in lower-case hex.</returns>
    public (Blob Data, string Md5) Finish()
    {
        var blob = _file is null ? Blob.Of(_memory.ToArray()) : Blob.Of(_file, _length);
        _file = null;
        return (blob, Convert.ToHexStringLower(_md5.GetHashAndReset()));
    }

    public void Dispose()
    {
        _file?.Dispose();
        _md5.Dispose();
        _memory.Dispose();
    }

    private static SafeFileHandle Temporary()
    {
        var path = Path.Combine(Path.GetTempPath(), $"object-{Guid.NewGuid():N}");
        var options = FileOptions.Asynchronous | (OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose : 0);
        var handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, options);
        if (!OperatingSystem.IsWindows())
        {
            // No name any more: nothing is left behind, even when the process is killed.
            File.Delete(path);
        }

        return handle;
    }
}
