using Microsoft.Win32.SafeHandles;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>
/// Immutable bytes in pieces: small ones in memory, large ones in unlinked temporary files, so that a store of many gigabytes needs little memory.
/// Parts, ranges and copies share pieces; a file goes with the last blob that uses it.
/// </summary>
internal sealed class Blob
{
    private readonly Piece[] _pieces;

    private Blob(Piece[] pieces) => (_pieces, Length) = (pieces, pieces.Sum(p => p.Length));

    public static Blob Empty { get; } = new([]);

    public long Length { get; }

    public static Blob Of(byte[] bytes) => bytes.Length == 0 ? Empty : new([new(bytes, null, 0, bytes.Length)]);

    /// <param name="file">Is the blob's from now on; closed when nothing refers to it.</param>
    public static Blob Of(SafeFileHandle file, long length) => new([new(null, file, 0, length)]);

    public static Blob Concat(IEnumerable<Blob> blobs) => new([.. blobs.SelectMany(b => b._pieces)]);

    public Blob Slice(long offset, long length)
    {
        var pieces = new List<Piece>();
        foreach (var piece in _pieces)
        {
            if (offset < piece.Length && length > 0)
            {
                var taken = Math.Min(length, piece.Length - offset);
                pieces.Add(piece with { Offset = piece.Offset + offset, Length = taken });
                (offset, length) = (0, length - taken);
            }
            else
            {
                offset -= Math.Min(offset, piece.Length);
            }
        }

        return new([.. pieces]);
    }

    /// <summary>The bytes in runs of at most <paramref name="most"/>; each run is valid until the next is asked for.</summary>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> RunsAsync(int most)
    {
        byte[]? buffer = null;
        foreach (var piece in _pieces)
        {
            for (long at = 0; at < piece.Length;)
            {
                var count = (int)Math.Min(most, piece.Length - at);
                if (piece.Memory is { } memory)
                {
                    yield return memory.AsMemory((int)(piece.Offset + at), count);
                }
                else
                {
                    buffer ??= new byte[most];
                    var read = await RandomAccess.ReadAsync(piece.File!, buffer.AsMemory(0, count), piece.Offset + at);
                    count = read > 0 ? read : throw new EndOfStreamException("a temporary file of the store is shorter than it was");
                    yield return buffer.AsMemory(0, count);
                }

                at += count;
            }
        }
    }

    private sealed record Piece(byte[]? Memory, SafeFileHandle? File, long Offset, long Length);
}
