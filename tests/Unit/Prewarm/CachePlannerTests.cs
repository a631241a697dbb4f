using CsCheck;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Which caches stay where there is not room for all.</summary>
public sealed class CachePlannerTests
{
    private static readonly CacheLimits s_twenty = new(null, new Dictionary<string, double> { ["team"] = 20 });

    [Fact]
    public void Plan_RoomForTwoOfThree_TheLeastLikelyGoes() =>
        Assert.Equal("a Stays, b Evicted, c Stays", Told([Claim("a", 0.5), Claim("b", 0.1), Claim("c", 0.9)], s_twenty));

    [Fact]
    public void Plan_NoLimit_AllThatAreWantedStay() =>
        Assert.Equal("a Stays, b Idle, c Comes, d Away", Told([Claim("a", 0), Claim("b", 1) with { Wanted = false }, Claim("c", 0, here: false), Claim("d", 1, here: false) with { Wanted = false }], new(null, new Dictionary<string, double>())));

    /// <summary>Twice the GB at the same chance is worth half; twice the seconds, twice.</summary>
    [Fact]
    public void Plan_Worth_IsSecondsSavedPerGigabyte()
    {
        Assert.Equal("a Stays, b Stays, c Evicted", Told([Claim("a", 0.5), Claim("b", 0.5), Claim("c", 0.9) with { Gigabytes = 20 }], s_twenty));
        Assert.Equal("a Evicted, b Stays, c Stays", Told([Claim("a", 0.5), Claim("b", 0.6), Claim("c", 0.4) with { ReadSeconds = 300 }], s_twenty));
    }

    [Fact]
    public void Plan_WhatServesPods_IsNeverTaken_AlsoWhereTheLimitIsLess() =>
        Assert.Equal("a Stays, b Stays, c Evicted", Told([Claim("a", 0) with { Bound = true }, Claim("b", 0) with { Bound = true }, Claim("c", 1)], new(15, new Dictionary<string, double>())));

    [Fact]
    public void Plan_VersionsOnTheirWay_TakeRoom() =>
        Assert.Equal("a Stays, b Evicted", Told([Claim("a", 0.5) with { Beside = 5 }, Claim("b", 0.4)], s_twenty));

    [Fact]
    public void Plan_WindowThatPeopleGave_TakesTheLikelyOnesPlace() =>
        Assert.Equal("a Stays, b Evicted, c Waits", Told([Claim("a", 0.99), Claim("b", 0.98), Claim("c", 0, here: false) with { Certain = true }], s_twenty));

    [Theory]
    [InlineData(0.5, 0.74, "a Stays, b Away")]
    [InlineData(0.5, 0.76, "a Evicted, b Waits")]
    public void Plan_ALittleMoreLikely_DoesNotTakeItsPlace(double here, double away, string told) =>
        Assert.Equal(told, Told([Claim("a", here), Claim("b", away, here: false)], new(10, new Dictionary<string, double>())));

    [Fact]
    public void Plan_WhatHasJustCome_StaysForNow_ButNotInLessRoom()
    {
        Assert.Equal("a Stays, b Away", Told([Claim("a", 0.1) with { Fresh = true }, Claim("b", 0.9, here: false)], new(10, new Dictionary<string, double>())));
        Assert.Equal("a Evicted, b Away", Told([Claim("a", 0.1) with { Fresh = true }, Claim("b", 0.9, here: false)], new(5, new Dictionary<string, double>())));
    }

    [Fact]
    public void Plan_WhatComes_WaitsUntilWhatGoesHasGone()
    {
        var claims = new List<CacheClaim> { Claim("a", 0.1), Claim("b", 0.9, here: false) };
        var ten = new CacheLimits(10, new Dictionary<string, double>());
        Assert.Equal("a Evicted, b Waits", Told(claims, ten));
        claims[0] = claims[0] with { Here = false, Leaving = true };
        Assert.Equal("a Away, b Waits", Told(claims, ten));
        claims[0] = claims[0] with { Leaving = false };
        Assert.Equal("a Away, b Comes", Told(claims, ten));
    }

    [Fact]
    public void Plan_LimitsOfTheClusterAndOfANamespace_BothHold() =>
        Assert.Equal("a Stays, b Evicted, c Evicted, d Stays", string.Join(", ", CachePlanner.Plan(
            [Claim("a", 0.9), Claim("b", 0.8), Claim("c", 0.7) with { Gigabytes = 15 }, Claim("d", 0.1) with { Model = new("other", "d"), Gigabytes = 5 }],
            new(20, new Dictionary<string, double> { ["team"] = 15 })).Select(v => $"{v.Key.Name} {v.Value}")));

    /// <summary>Whatever is asked: within the limits, nothing left out that would fit beside what stays, and doing it changes the next plan no more once what goes has gone.</summary>
    [Fact]
    public void Plan_AnyClaims_FitsAndSettles() =>
        Gen.Select(Gen.Double[0, 1], Gen.Double[0.1, 30], Gen.Bool, Gen.Bool, Gen.Bool, Gen.Int[0, 9])
            .Select(t => (Chance: t.Item1, Gb: t.Item2, Here: t.Item3, Wanted: t.Item4, Certain: t.Item5 && t.Item6 == 0, Bound: t.Item6 == 1)).List[0, 30].Select(Gen.Double[0, 200])
            .Sample((List<(double Chance, double Gb, bool Here, bool Wanted, bool Certain, bool Bound)> models, double room) =>
            {
                var limits = new CacheLimits(room, new Dictionary<string, double>());
                var claims = models.Select((m, i) => new CacheClaim(new("team", $"m{i:00}"), m.Gb) { Here = m.Here, Wanted = m.Wanted, Certain = m.Certain, Bound = m.Bound && m.Here, Chance = m.Chance, ReadSeconds = m.Gb * 5 }).ToList();
                var bound = claims.Where(c => c.Bound).Sum(c => c.Gigabytes);
                for (var round = 0; round < 3; round++)
                {
                    var plan = CachePlanner.Plan(claims, limits);
                    double Sum(params CacheVerdict[] verdicts) => claims.Where(c => verdicts.Contains(plan[c.Model])).Sum(c => c.Gigabytes);
                    var kept = Sum(CacheVerdict.Stays, CacheVerdict.Comes, CacheVerdict.Waits);
                    Assert.True(kept <= Math.Max(room, bound) + 1e-3);
                    Assert.All(claims.Where(c => c.Wanted && plan[c.Model] is CacheVerdict.Evicted or CacheVerdict.Away), c => Assert.True(!c.Wanted || kept + c.Gigabytes > room));
                    // Beside what is still there, too.
                    Assert.True(Sum(CacheVerdict.Comes) == 0 || claims.Where(c => c.Here).Sum(c => c.Gigabytes) + Sum(CacheVerdict.Comes) <= room + 1e-3);
                    if (round == 2)
                    {
                        Assert.DoesNotContain(plan.Values, v => v is CacheVerdict.Comes or CacheVerdict.Waits or CacheVerdict.Evicted or CacheVerdict.Idle);
                    }

                    claims = [.. claims.Select(c => c with { Here = plan[c.Model] is CacheVerdict.Stays or CacheVerdict.Comes })];
                }
            });

    private static CacheClaim Claim(string name, double chance, bool here = true) => new(new("team", name), 10) { Here = here, Wanted = true, Chance = chance, ReadSeconds = 60 };

    private static string Told(IReadOnlyList<CacheClaim> claims, CacheLimits limits) => string.Join(", ", CachePlanner.Plan(claims, limits).Select(v => $"{v.Key.Name} {v.Value}"));
}
