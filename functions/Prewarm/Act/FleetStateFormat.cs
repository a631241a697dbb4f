using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What the fleet has learned, as bytes: a mark, a version, gaps learned from (64 bits), the networks' young rate (a double), when sessions began (doubles), the prior (<see cref="ForecastPriorFormat"/>); little-endian.
/// About 20 KB.
/// </summary>
internal static class FleetStateFormat
{
    public const byte Version = 1;
    private const byte Mark = 0xAB;
    private const int Times = 2 + sizeof(long) + sizeof(double);
    private const int Prior = Times + (FleetMemory.TimeNumbers * sizeof(double));

    public static byte[] Write(LearnedForecast forecast)
    {
        var prior = forecast.Prior;
        var laws = ForecastPriorFormat.Write(prior);
        var bytes = new byte[Prior + laws.Length];
        bytes[0] = Mark;
        bytes[1] = Version;
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(2), forecast.Learnt);
        BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(2 + sizeof(long)), prior.YoungRate);
        prior.Fleet.WriteTimes(MemoryMarshal.Cast<byte, double>(bytes.AsSpan(Times, Prior - Times)));
        laws.CopyTo(bytes, Prior);
        return bytes;
    }

    /// <summary>Reads what <see cref="Write"/> wrote; null for anything else: cut short, corrupt, newer, or made for other numbers.</summary>
    public static LearnedForecast? TryRead(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length <= Prior || bytes[0] != Mark || bytes[1] != Version || ForecastPriorFormat.TryRead(bytes[Prior..]) is not { } prior)
        {
            return null;
        }

        var times = MemoryMarshal.Cast<byte, double>(bytes[Times..Prior]);
        foreach (var number in times)
        {
            if (!double.IsFinite(number))
            {
                return null;
            }
        }

        var (learnt, rate) = (BinaryPrimitives.ReadInt64LittleEndian(bytes[2..]), BinaryPrimitives.ReadDoubleLittleEndian(bytes[(2 + sizeof(long))..]));
        if (learnt is < 0 or > int.MaxValue || rate is not (>= 0 and <= 1))
        {
            return null;
        }

        prior.Fleet.ReadTimes(times);
        return new(0, prior with { YoungRate = (float)rate }) { Learnt = (int)learnt };
    }
}
