using System.Runtime.InteropServices;

namespace Prewarm.Functions.Prewarm;

/// <summary>A service's memory as bytes: a mark, a version, then its numbers in order, little-endian. Another version is not read, but told.</summary>
internal static class ServiceMemoryFormat
{
    public const byte Version = 5;

    private const byte Mark = 0xA7;

    /// <summary>Bytes of one memory; at most 4096.</summary>
    public static readonly int Size = Measure(new(), Floats(new()));

    /// <param name="target">At least <see cref="Size"/> bytes.</param>
    public static void Write(ServiceMemory memory, Span<byte> target)
    {
        target[0] = Mark;
        target[1] = Version;
        var at = 2;
        foreach (var part in Floats(memory))
        {
            Put(MemoryMarshal.AsBytes(part.AsSpan()), target, ref at);
        }

        Put(MemoryMarshal.AsBytes(memory.Minutes.AsSpan()), target, ref at);
        Put(MemoryMarshal.AsBytes(memory.Quarters.AsSpan()), target, ref at);
        Put(MemoryMarshal.AsBytes<double>([memory.First, memory.Last, memory.SessionStart, memory.Gap, memory.GapBefore]), target, ref at);
        Put(MemoryMarshal.AsBytes<int>([memory.Seen, memory.InSession, memory.LongSeen, memory.Sessions]), target, ref at);
    }

    /// <summary>Reads what <see cref="Write"/> wrote; false for anything else: cut short, corrupt or of another version.</summary>
    public static bool TryRead(ReadOnlySpan<byte> source, out ServiceMemory memory)
    {
        memory = new ServiceMemory();
        if (source.Length != Size || source[0] != Mark || source[1] != Version)
        {
            return false;
        }

        var at = 2;
        var sound = true;
        foreach (var part in Floats(memory))
        {
            Get(source, MemoryMarshal.AsBytes(part.AsSpan()), ref at);
            foreach (var value in part)
            {
                sound &= float.IsFinite(value) && value >= 0;
            }
        }

        Get(source, MemoryMarshal.AsBytes(memory.Minutes.AsSpan()), ref at);
        Get(source, MemoryMarshal.AsBytes(memory.Quarters.AsSpan()), ref at);
        Span<double> times = stackalloc double[5];
        Get(source, MemoryMarshal.AsBytes(times), ref at);
        Span<int> counts = stackalloc int[4];
        Get(source, MemoryMarshal.AsBytes(counts), ref at);
        (memory.First, memory.Last, memory.SessionStart, memory.Gap, memory.GapBefore) = (times[0], times[1], times[2], (float)times[3], (float)times[4]);
        (memory.Seen, memory.InSession, memory.LongSeen, memory.Sessions) = (counts[0], counts[1], counts[2], counts[3]);
        return sound && memory.Seen >= 0 && memory.InSession >= 0 && memory.LongSeen >= 0 && memory.Sessions >= 0
            && (memory.Seen == 0 || (double.IsFinite(memory.First) && memory.First <= memory.SessionStart && memory.SessionStart <= memory.Last));
    }

    private static float[][] Floats(ServiceMemory m) =>
        [m.Ends, m.Watched, m.ClassEnds, m.ClassWatched, m.FastEnds, m.FastWatched, m.Long, m.Rates, m.Means, m.Losses, m.Guarded, m.Leads];

    private static int Measure(ServiceMemory memory, float[][] floats) =>
        2 + floats.Sum(f => f.Length) * sizeof(float) + (memory.Minutes.Length + memory.Quarters.Length) * sizeof(ulong) + 5 * sizeof(double) + 4 * sizeof(int);

    private static void Put(ReadOnlySpan<byte> bytes, Span<byte> target, ref int at)
    {
        bytes.CopyTo(target[at..]);
        at += bytes.Length;
    }

    private static void Get(ReadOnlySpan<byte> source, Span<byte> bytes, ref int at)
    {
        source.Slice(at, bytes.Length).CopyTo(bytes);
        at += bytes.Length;
    }
}
