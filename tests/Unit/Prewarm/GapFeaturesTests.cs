using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class GapFeaturesTests
{
    [Fact]
    public void FillSlots_AnyNumber_TheSameAsAll()
    {
        var (all, some, fleet) = (new GapFeatures(), new GapFeatures(), new FleetMemory());
        var memory = Remember(3, 400, fleet);

        // What another service left in the rows is not to be seen.
        some.Fill(Remember(4, 50, fleet), fleet, 9e6);
        all.Fill(memory, fleet, memory.Last);
        for (var slots = 1; slots <= SlotGrid.Count; slots++)
        {
            some.FillSlots(memory, fleet, memory.Last, slots);
            Assert.Equal(all.Base.AsSpan(0, slots), some.Base.AsSpan(0, slots));
            for (var row = 0; row < GapFeatures.PerSlot; row++)
            {
                Assert.Equal(all.Slots.AsSpan(row * SlotGrid.Count, slots), some.Slots.AsSpan(row * SlotGrid.Count, slots));
            }
        }
    }

    [Fact]
    public void Unpack_EveryDayOfTwoWeeks_TheQuarterHoursWithCalls()
    {
        var memory = Remember(5, 700, new FleetMemory());
        var today = (long)Math.Floor(memory.Last / 86400);
        Span<ulong> unpacked = stackalloc ulong[12];
        var called = 0;
        for (var day = today - ServiceMemory.Days + 1; day <= today; day++)
        {
            memory.Unpack(day, unpacked);
            for (var slot = 1; slot < 95; slot++)
            {
                var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(unpacked);
                Assert.Equal(memory.Quarter(day * 96 + slot), (bytes[slot - 1] + 2 * bytes[slot] + bytes[slot + 1]) * 0.25f);
                called += bytes[slot];
            }
        }

        Assert.InRange(called, 50, 600);
    }

    private static ServiceMemory Remember(int seed, int calls, FleetMemory fleet)
    {
        var memory = new ServiceMemory();
        var random = new Random(seed);
        var at = 5e6;
        for (var i = 0; i < calls; i++, at += Math.Exp(random.NextDouble() * 9.5))
        {
            if (i > 0)
            {
                fleet.Learn(memory.Class, at - memory.Last, memory.Seen, open: false);
            }

            memory.Add(at);
        }

        return memory;
    }
}
