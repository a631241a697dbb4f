using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// A prior as bytes: a mark, a version, what it was made for (slots, numbers a slot and a gap, units, networks; 16 bits each), the laws, the weights; all
/// little-endian. What was made for other numbers is not read.
/// </summary>
internal static class ForecastPriorFormat
{
    public const byte Version = 2;

    private const byte Mark = 0xA9;
    private const int Header = 2 + 5 * sizeof(ushort);

    public static byte[] Write(ForecastPrior prior)
    {
        var units = prior.Networks[0].Units;
        var length = HazardNetwork.Length(units);
        var bytes = new byte[Header + (FleetMemory.LawNumbers + prior.Networks.Length * length) * sizeof(float)];
        Head(bytes, units, prior.Networks.Length);
        var numbers = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(Header));
        prior.Fleet.WriteLaws(numbers);
        for (var n = 0; n < prior.Networks.Length; n++)
        {
            prior.Networks[n].Weights.CopyTo(numbers[(FleetMemory.LawNumbers + n * length)..]);
        }

        return bytes;
    }

    /// <summary>Reads what <see cref="Write"/> wrote; null for anything else: cut short, corrupt, or made for other numbers.</summary>
    public static ForecastPrior? TryRead(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < Header)
        {
            return null;
        }

        int units = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]), networks = BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]);
        Span<byte> expected = stackalloc byte[Header];
        Head(expected, units, networks);
        var length = HazardNetwork.Length(units);
        if (networks == 0 || !bytes[..Header].SequenceEqual(expected) || bytes.Length != Header + (FleetMemory.LawNumbers + networks * length) * sizeof(float))
        {
            return null;
        }

        var numbers = MemoryMarshal.Cast<byte, float>(bytes[Header..]);
        foreach (var number in numbers)
        {
            if (!float.IsFinite(number))
            {
                return null;
            }
        }

        var fleet = new FleetMemory();
        fleet.ReadLaws(numbers);
        var made = new HazardNetwork[networks];
        for (var n = 0; n < networks; n++)
        {
            made[n] = new HazardNetwork(units, 0);
            numbers.Slice(FleetMemory.LawNumbers + n * length, length).CopyTo(made[n].Weights);
        }

        return new ForecastPrior(fleet, made);
    }

    private static void Head(Span<byte> target, int units, int networks)
    {
        target[0] = Mark;
        target[1] = Version;
        ReadOnlySpan<int> numbers = [SlotGrid.Count, GapFeatures.PerSlot, GapFeatures.PerGap, units, networks];
        for (var i = 0; i < numbers.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(target[(2 + i * sizeof(ushort))..], (ushort)numbers[i]);
        }
    }
}
