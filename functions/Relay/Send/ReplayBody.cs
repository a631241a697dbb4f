using System.Buffers;

namespace Prewarm.Functions.Relay;

/// <summary>
/// A request body that can be read a second time, as long as it is small: what is read is kept up to a bound. Nothing is read ahead, so a held request's body stays with its sender.
/// </summary>
/// <param name="limit">Bytes that are kept at most.</param>
internal sealed class ReplayBody(Stream body, int limit, ReplayBudget budget) : Stream
{
    private byte[] _kept = [];
    private int _length;
    private int _position;
    private bool _lost;

    /// <summary>True: the body can be sent (again) from its beginning.</summary>
    public bool Rewind()
    {
        _position = 0;
        return !_lost;
    }

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_position < _length)
        {
            var again = Math.Min(buffer.Length, _length - _position);
            _kept.AsMemory(_position, again).CopyTo(buffer);
            _position += again;
            return ValueTask.FromResult(again);
        }

        var reading = body.ReadAsync(buffer, cancellationToken);
        if (!reading.IsCompletedSuccessfully)
        {
            return KeptAsync(reading, buffer);
        }

        var read = reading.Result;
        Keep(buffer.Span[..read]);
        return ValueTask.FromResult(read);
    }

    private async ValueTask<int> KeptAsync(ValueTask<int> reading, Memory<byte> buffer)
    {
        var read = await reading;
        Keep(buffer.Span[..read]);
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("bodies are read asynchronously");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Drop();
            _lost = true;
        }

        base.Dispose(disposing);
    }

    private void Keep(ReadOnlySpan<byte> read)
    {
        if (_lost || read.IsEmpty)
        {
            return;
        }

        if (_length + read.Length > limit || !Grow(_length + read.Length))
        {
            _lost = true;
            Drop();
            return;
        }

        read.CopyTo(_kept.AsSpan(_length));
        _length += read.Length;
        _position = _length;
    }

    private bool Grow(int length)
    {
        if (length <= _kept.Length)
        {
            return true;
        }

        var larger = ArrayPool<byte>.Shared.Rent(length);
        if (!budget.TryTake(larger.Length - _kept.Length))
        {
            ArrayPool<byte>.Shared.Return(larger);
            return false;
        }

        _kept.AsSpan(0, _length).CopyTo(larger);
        if (_kept.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_kept);
        }

        _kept = larger;
        return true;
    }

    private void Drop()
    {
        budget.Give(_kept.Length);
        if (_kept.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_kept);
        }

        (_kept, _length, _position) = ([], 0, 0);
    }
}
