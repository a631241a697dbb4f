namespace Prewarm.Functions.Prewarm;

/// <summary>Gives again what was read of a stream to look at it, and then the rest: a pipe cannot be wound back.</summary>
internal sealed class PeekedStream(byte[] head, Stream rest) : Stream
{
    private int given;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count)
    {
        if (given == head.Length)
        {
            return rest.Read(buffer, offset, count);
        }

        var some = Math.Min(count, head.Length - given);
        head.AsSpan(given, some).CopyTo(buffer.AsSpan(offset));
        given += some;
        return some;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
