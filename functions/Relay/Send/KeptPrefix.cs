using System.Buffers;

namespace Prewarm.Functions.Relay;

/// <summary>A body of which the beginning has been read already: first that, then the rest as it comes.</summary>
internal sealed class KeptPrefix(Stream rest) : Stream
{
    private byte[] _kept = [];
    private int _position;

    /// <summary>Bytes that were read already.</summary>
    public int Count { get; private set; }

    public ReadOnlySpan<byte> Span => _kept.AsSpan(0, Count);

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public void Add(ReadOnlySequence<byte> more)
    {
        var length = Count + (int)more.Length;
        if (length > _kept.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length, _kept.Length * 2));
            Span.CopyTo(larger);
            Release();
            _kept = larger;
        }

        more.CopyTo(_kept.AsSpan(Count));
        Count = length;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_position == Count)
        {
            Release();
            return rest.ReadAsync(buffer, cancellationToken);
        }

        var count = Math.Min(buffer.Length, Count - _position);
        _kept.AsMemory(_position, count).CopyTo(buffer);
        _position += count;
        return ValueTask.FromResult(count);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("bodies are read asynchronously");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Only the one that reads gives the bytes back: a body that nobody read to its end may still be copied from elsewhere.</summary>
    private void Release()
    {
        if (_kept.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_kept);
        }

        _kept = [];
    }
}
