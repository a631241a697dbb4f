using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public sealed class CacheChargeTests
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan s_lease = TimeSpan.FromMinutes(30);

    [Fact]
    public void Pay_Ahead_AndAgainWhenHalfIsOver()
    {
        var paid = CacheCharge.Pay(Today(0), 10, 1e9, s_noon, s_lease)!;
        Assert.Equal((18_000.0, s_noon + s_lease), (paid.CacheGbSeconds, paid.CacheUntil));
        Assert.Equal(paid, CacheCharge.Pay(paid, 10, 1e9, s_noon.AddMinutes(14), s_lease));
        var next = CacheCharge.Pay(paid, 10, 1e9, s_noon.AddMinutes(20), s_lease)!;
        Assert.Equal((30_000.0, s_noon.AddMinutes(50)), (next.CacheGbSeconds, next.CacheUntil));
        Assert.Equal(12_000, CacheCharge.Used(next, s_noon.AddMinutes(20)), 1e-6);
    }

    [Fact]
    public void Pay_LessIsLeft_SoMuchShorter_AndNothing_Null()
    {
        var paid = CacheCharge.Pay(Today(35_000), 10, 1_000, s_noon, s_lease)!;
        Assert.Equal((36_000.0, s_noon.AddSeconds(100)), (paid.CacheGbSeconds, paid.CacheUntil));
        // Kept while it is paid for.
        Assert.Equal(paid, CacheCharge.Pay(paid, 10, 0, s_noon.AddSeconds(99), s_lease));
        Assert.Null(CacheCharge.Pay(paid, 10, 0, s_noon.AddSeconds(100), s_lease));
    }

    [Fact]
    public void Return_LetGo_WhatWasNotUsedComesBack()
    {
        var paid = CacheCharge.Pay(Today(0), 10, 1e9, s_noon, s_lease)!;
        var gone = CacheCharge.Return(paid, s_noon.AddMinutes(10));
        Assert.Equal((6_000.0, null, null), (gone.CacheGbSeconds, gone.CacheUntil, gone.CacheGb));
        Assert.Equal(gone, CacheCharge.Return(gone, s_noon.AddMinutes(12)));
        // Nobody took it back in time: all of it was used.
        Assert.Equal(18_000, CacheCharge.Return(paid, s_noon.AddHours(2)).CacheGbSeconds);
    }

    [Fact]
    public void Pay_NewVersionOfAnotherSize_IsChargedFromNowOn()
    {
        var paid = CacheCharge.Pay(Today(0), 10, 1e9, s_noon, s_lease)!;
        var larger = CacheCharge.Pay(paid, 20, 1e9, s_noon.AddMinutes(10), s_lease)!;
        Assert.Equal((6_000.0 + 36_000, s_noon.AddMinutes(40), 20.0), (larger.CacheGbSeconds, larger.CacheUntil, larger.CacheGb));
    }

    [Fact]
    public void Today_WhatWasPaidBeyondMidnight_IsTheNewDays()
    {
        var late = new DateTimeOffset(2026, 11, 25, 23, 50, 0, TimeSpan.Zero);
        var paid = CacheCharge.Pay(Today(5), 10, 1e9, late, s_lease)! with { Pods = 2, Until = late.AddMinutes(11), PodSeconds = 77 };
        var next = paid.Today(late.AddMinutes(15));
        Assert.Equal(("2026-11-26", 12_000.0, 120.0), (next.Day, next.CacheGbSeconds, next.PodSeconds));
        // A clock that jumps back does not begin the day before anew.
        Assert.Equal(next, next.Today(late));
    }

    /// <summary>Clocks that jump, sizes that change, caches that go and come: no day has more than its budget of GB-seconds used.</summary>
    [Fact]
    public void Pay_AnyDays_NeverOverdrawn()
    {
        var random = new Random(7);
        var (status, used, now, until) = (new PrewarmStatus(), new Dictionary<string, double>(), s_noon, s_noon);
        var (budget, size, here) = (200_000.0, 10.0, false);
        for (var i = 0; i < 20_000; i++)
        {
            var next = now.AddSeconds(random.Next(60));
            // The line takes it away at the mark's time, whoever is dead.
            for (var at = now; here && at < next && at < until; at = at.AddSeconds(1))
            {
                used[at.ToString("yyyy-MM-dd")] = used.GetValueOrDefault(at.ToString("yyyy-MM-dd")) + size;
            }

            now = next;
            if (random.Next(50) == 0)
            {
                // The prewarmer is away for a while.
                continue;
            }

            size = random.Next(500) == 0 ? 5 + random.Next(10) : size;
            var today = status.Today(now);
            if (random.Next(40) != 0 && CacheCharge.Pay(today, size, budget - (today.CacheGbSeconds ?? 0), now, s_lease) is { } paid)
            {
                (status, here, until) = (paid, true, paid.CacheUntil!.Value);
            }
            else
            {
                (status, here) = (CacheCharge.Return(status, now), false);
            }

            Assert.InRange(status.CacheGbSeconds ?? 0, 0, budget + 0.01);
        }

        Assert.InRange(used.Count, 6, 8);
        Assert.All(used.Values, u => Assert.InRange(u, 0, budget + 0.01));
        Assert.Contains(used.Values, u => u > 0.9 * budget);
    }

    private static PrewarmStatus Today(double spent) => new() { Day = "2026-11-25", CacheGbSeconds = spent };
}
