using CsCheck;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class ServiceMemoryTests
{
    [Fact]
    public void Format_WrittenAndRead_ForecastsTheSame()
    {
        var memory = Remember(500);
        var bytes = new byte[ServiceMemoryFormat.Size];
        Assert.InRange(bytes.Length, 1, 4096);
        ServiceMemoryFormat.Write(memory, bytes);
        Assert.True(ServiceMemoryFormat.TryRead(bytes, out var read));
        var (expected, actual, fleet) = (new GapFeatures(), new GapFeatures(), new FleetMemory());
        expected.Fill(memory, fleet, memory.Last);
        actual.Fill(read, fleet, read.Last);
        Assert.Equal(expected.Slots, actual.Slots);
        Assert.Equal(expected.Whole, actual.Whole);
        Assert.All(expected.Slots, x => Assert.True(float.IsFinite(x)));
    }

    [Fact]
    public void TryRead_NewerShortOrCorrupt_Refused()
    {
        var bytes = new byte[ServiceMemoryFormat.Size];
        ServiceMemoryFormat.Write(Remember(50), bytes);
        Assert.False(ServiceMemoryFormat.TryRead(bytes.AsSpan(1), out _));
        Assert.False(ServiceMemoryFormat.TryRead([], out _));
        bytes[1]++;
        Assert.False(ServiceMemoryFormat.TryRead(bytes, out _));
        bytes[1]--;
        bytes.AsSpan(2, 4).Fill(0xff);
        Assert.False(ServiceMemoryFormat.TryRead(bytes, out _));
    }

    [Fact]
    public void Arrive_SteadyState_AllocatesNothing()
    {
        var forecast = new LearnedForecast(1, ForecastPrior.Learn([], 16));
        var rates = new float[SlotGrid.Count];
        var windows = new ReadyWindow[GapPolicy.MostWindows];
        // The run time may count a little against whatever thread it stops, once; what is allocated at each arrival shows in every round.
        var (at, least) = (0, long.MaxValue);
        for (var round = 0; round < 6; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 100; i++)
            {
                forecast.Arrive(0, at += 400, rates);
                WindowRule.Plan(rates, 600, windows);
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public void Add_ClockJumpsBack_NothingBreaks()
    {
        var memory = Remember(20);
        memory.Add(memory.Last - 30);
        memory.Add(memory.Last + 30);
        var features = new GapFeatures();
        features.Fill(memory, new FleetMemory(), memory.Last);
        Assert.All(features.Slots, x => Assert.True(float.IsFinite(x)));
    }

    [Fact]
    public void Join_EitherOrderAndAgain_SameResult()
    {
        ServiceMemory Make(bool odd)
        {
            var memory = new ServiceMemory();
            for (var i = 0; i < 200; i++)
            {
                if (i % 3 != (odd ? 1 : 0))
                {
                    memory.Add(1e6 + i * 4000);
                }
            }

            return memory;
        }

        var one = Bytes(ServiceMemory.Join(Make(true), Make(false)));
        Assert.Equal(one, Bytes(ServiceMemory.Join(Make(false), Make(true))));
        var joined = ServiceMemory.Join(Make(true), Make(false));
        Assert.Equal(one, Bytes(ServiceMemory.Join(joined, Make(true))));
        for (var i = 0; i < 200; i++)
        {
            Assert.True(joined.Quarter((long)Math.Floor((1e6 + i * 4000) / 900)) >= 0.5f);
        }

    }

    /// <summary>They come without calls, so neither has seen more.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    public void Join_HowLongLoadsTook_IsTheFirstOnes(int arrivals)
    {
        var (own, read) = (Remember(arrivals), Remember(arrivals));
        read.Took(pod: true, 90);
        Assert.Equal(90, ServiceMemory.Join(own, read).Lead(pod: true));
        own = Remember(arrivals);
        own.Took(pod: true, 60);
        Assert.Equal(60, ServiceMemory.Join(own, read).Lead(pod: true));
    }

    /// <summary>Replicas that each missed some of the same calls: commutative, idempotent, and of three the same numbers whichever two are joined first.</summary>
    [Fact]
    public void Join_AnyReplicas_TheOrderDoesNotMatter() =>
        Gen.Select(Gen.Double[1, 20_000].Array[1, 40], Gen.Int[0, 7].Array[40]).Sample((gaps, heard) =>
        {
            ServiceMemory Heard(int by)
            {
                var (memory, at) = (new ServiceMemory(), 1e6);
                for (var i = 0; i < gaps.Length; i++)
                {
                    at += gaps[i];
                    if ((heard[i] & by) != 0 || i == 0)
                    {
                        memory.Add(at);
                    }
                }

                return memory;
            }

            Assert.Equal(Bytes(ServiceMemory.Join(Heard(1), Heard(2))), Bytes(ServiceMemory.Join(Heard(2), Heard(1))));
            Assert.Equal(Bytes(ServiceMemory.Join(Heard(1), Heard(2))), Bytes(ServiceMemory.Join(ServiceMemory.Join(Heard(1), Heard(2)), Heard(2))));
            Assert.Equal(Bytes(Heard(1)), Bytes(ServiceMemory.Join(Heard(1), Heard(1))));
            Assert.Equal(Numbers(ServiceMemory.Join(Heard(1), ServiceMemory.Join(Heard(2), Heard(4)))), Numbers(ServiceMemory.Join(ServiceMemory.Join(Heard(1), Heard(2)), Heard(4))));
        });

    /// <summary>All but the minutes and quarter-hours with calls, of which those after the last call of the one that saw more are left out.</summary>
    private static byte[] Numbers(ServiceMemory memory)
    {
        Array.Clear(memory.Minutes);
        Array.Clear(memory.Quarters);
        return Bytes(memory);
    }

    private static byte[] Bytes(ServiceMemory memory)
    {
        var bytes = new byte[ServiceMemoryFormat.Size];
        ServiceMemoryFormat.Write(memory, bytes);
        return bytes;
    }

    private static ServiceMemory Remember(int arrivals)
    {
        var random = new Random(2);
        var memory = new ServiceMemory();
        for (var at = 1e6; memory.Seen < arrivals; at += Math.Exp(random.NextDouble() * 9))
        {
            memory.Add(at);
        }

        return memory;
    }
}
