using CsCheck;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Of what is counted at the gateway: what relays reported, what we sent, and what came by another way.</summary>
public sealed class DirectCallsTests
{
    private static readonly ModelKey s_bloom = new("default", "bloom");
    private readonly Arrivals _arrivals = new();

    [Fact]
    public void Recent_CountedWithoutReports_AreCallsInTheirMinute()
    {
        _arrivals.See(s_bloom, 100, 1);
        _arrivals.See(s_bloom, 200, 7);
        var minutes = _arrivals.Recent(s_bloom);
        Assert.Equal([(100, 1), (200, 7)], minutes.Select(m => (m.At, m.Count)));
        Assert.All(minutes, m => Assert.True(m.First >= 0 && m.First <= m.Last && m.Last < 60));
        Assert.Equal(minutes[0].First, minutes[0].Last);
        Assert.True(minutes[1].First < 60 / 7.0 && minutes[1].Last > 60 - (60 / 7.0));
    }

    [Fact]
    public void Recent_PassedTheRelay_CountOnce()
    {
        // Reported at its end, scraped a minute later; and the clock of the one who counts is behind.
        _arrivals.Add(s_bloom, new(100, 3, 1, 50, 3, 0.5));
        _arrivals.See(s_bloom, 99, 1);
        _arrivals.See(s_bloom, 100, 1);
        _arrivals.See(s_bloom, 101, 1);
        Assert.Equal([new ArrivalMinute(100, 3, 1, 50, 3, 0.5)], _arrivals.Recent(s_bloom));
    }

    [Fact]
    public void Recent_LongPrediction_IsExplainedByItsEndAndNotByItsArrival()
    {
        _arrivals.Add(s_bloom, new(100, 1, 30, 30, 0, 0));
        _arrivals.Add(s_bloom, new(109, 0, 0, 0, 1, 540));
        _arrivals.See(s_bloom, 110, 1);
        Assert.Equal([100L], _arrivals.Recent(s_bloom).Select(m => m.At));
    }

    [Fact]
    public void Recent_BothWaysInOneMinute_AreTogether()
    {
        _arrivals.Add(s_bloom, new(100, 3, 20, 30, 3, 0.5));
        _arrivals.See(s_bloom, 100, 5);
        var minute = Assert.Single(_arrivals.Recent(s_bloom));
        var direct = DirectCalls.Spread(s_bloom, 100, 2);
        Assert.Equal((5, 3, Math.Min(20, direct.First), Math.Max(30, direct.Last)), (minute.Count, minute.Served, minute.First, minute.Last));
    }

    [Fact]
    public void Recent_ReportThatComesLater_TakesBackWhatItExplains()
    {
        _arrivals.See(s_bloom, 100, 2);
        Assert.Equal(2, Assert.Single(_arrivals.Recent(s_bloom)).Count);
        _arrivals.Add(s_bloom, new(100, 2, 0, 59, 2, 1));
        Assert.Equal((2, 59.0), (Assert.Single(_arrivals.Recent(s_bloom)).Count, _arrivals.Recent(s_bloom)[0].Last));
    }

    [Fact]
    public void Recent_WhatExplainsIsOld_DoesNot()
    {
        _arrivals.Add(s_bloom, new(100, 0, 0, 0, 0, 0) { Others = 5 });
        _arrivals.See(s_bloom, 103, 1);
        Assert.Equal([103L], _arrivals.Recent(s_bloom).Select(m => m.At));
    }

    [Fact]
    public void Recent_ReportsOfThenAreForgotten_SeenOfThenToo()
    {
        for (var i = 0; i < 2 * Arrivals.Remembered; i++)
        {
            // Counted in every other minute only, so that they reach further back than reports do.
            _arrivals.Add(s_bloom, new(i, 1, 0, 0, 1, 0));
            if (i % 2 == 0)
            {
                _arrivals.See(s_bloom, i, 1);
            }
        }

        Assert.Equal(Arrivals.Remembered, _arrivals.Recent(s_bloom).Count);
        Assert.All(_arrivals.Recent(s_bloom), m => Assert.Equal(1, m.Count));
    }

    /// <summary>They are not carried on either, into minutes that are calls.</summary>
    [Fact]
    public void Recent_MinutesInWhichCallsCannotBeTold_ExplainOnly()
    {
        for (var minute = 100; minute < 120; minute++)
        {
            _arrivals.Add(s_bloom, new(minute, 0, 0, 0, 0, 0) { Others = 6 });
            _arrivals.See(s_bloom, minute, minute is 102 or 115 ? 7 : 6, calls: minute >= 105 ? int.MaxValue : 0);
        }

        Assert.Equal([(115L, 1)], _arrivals.Recent(s_bloom).Select(m => (m.At, m.Count)));
    }

    /// <summary>Else every call would be put down to what was sent a minute later, and that to what came after it.</summary>
    [Fact]
    public void Recent_WhatIsSentAfterTheLastLook_ExplainsNothingYet()
    {
        for (var minute = 100; minute < 120; minute++)
        {
            _arrivals.Add(s_bloom, new(minute, 0, 0, 0, 0, 0) { Others = 6 });
        }

        for (var minute = 100; minute <= 110; minute++)
        {
            _arrivals.See(s_bloom, minute, minute == 105 ? 7 : 6);
        }

        _arrivals.SeenUntil(110);
        Assert.Equal([(105L, 1)], _arrivals.Recent(s_bloom).Select(m => (m.At, m.Count)));
        // Ours, and a clock that is behind: once its minute has been looked at too, it is ours.
        _arrivals.Add(new("default", "opt"), new(111, 0, 0, 0, 0, 0) { Others = 1 });
        _arrivals.See(new("default", "opt"), 110, 1);
        _arrivals.SeenUntil(111);
        Assert.Empty(_arrivals.Recent(new("default", "opt")));
    }

    [Fact]
    public void Recent_SeenTwice_IsNoMore()
    {
        _arrivals.See(s_bloom, 100, 2);
        _arrivals.See(s_bloom, 100, 3);
        _arrivals.See(s_bloom, 100, 1);
        Assert.Equal(3, Assert.Single(_arrivals.Recent(s_bloom)).Count);
    }

    [Fact]
    public void Keep_ModelThatIsNoMore_IsForgotten()
    {
        _arrivals.See(s_bloom, 100, 2);
        _arrivals.Keep(new HashSet<ModelKey>());
        Assert.Empty(_arrivals.Recent(s_bloom));
    }

    /// <summary>Whenever within the bounds each is counted: requests of the relay and of ours alone are no call.</summary>
    [Fact]
    public void Join_OnlyWhatIsOurs_LeavesNothing() =>
        Gen.Select(Gen.Long[1000, 1060], Gen.Int[-1, 2], Gen.Bool).Array[0, 60].Sample(requests =>
        {
            var arrivals = new Arrivals();
            foreach (var (minute, _, relay) in requests)
            {
                arrivals.Add(s_bloom, relay ? new(minute, 0, 0, 0, 1, 0) : new(minute, 0, 0, 0, 0, 0) { Others = 1 });
            }

            foreach (var counted in requests.GroupBy(r => r.Item1 + r.Item2))
            {
                arrivals.See(s_bloom, counted.Key, counted.Count());
            }

            Assert.Empty(arrivals.Recent(s_bloom));
        });

    /// <summary>Calls by another way among them: none is lost and none is made up, though which is which cannot be told.</summary>
    [Fact]
    public void Join_DirectCallsAmongThem_AreAsManyAsCame() =>
        Gen.Select(Gen.Long[1000, 1060], Gen.Int[-1, 2], Gen.Int[0, 2]).Array[0, 60].Sample(requests =>
        {
            var arrivals = new Arrivals();
            foreach (var (minute, _, way) in requests.Where(r => r.Item3 > 0))
            {
                arrivals.Add(s_bloom, new(minute, 0, 0, 0, way - 1, 0) { Others = 2 - way });
            }

            foreach (var counted in requests.GroupBy(r => r.Item1 + r.Item2))
            {
                arrivals.See(s_bloom, counted.Key, counted.Count());
            }

            var told = arrivals.Recent(s_bloom);
            Assert.Equal(requests.Count(r => r.Item3 == 0), told.Sum(m => m.Count));
            Assert.All(told, m => Assert.True(m.First >= 0 && m.First <= m.Last && m.Last < 60));
        });

    /// <summary>No two models' calls fall on the same second for being counted by the minute, and no forecast is taught a grid.</summary>
    [Fact]
    public void Spread_ManyMinutes_IsEvenAndTheSameAgain()
    {
        var places = Enumerable.Range(0, 6000).Select(i => DirectCalls.Spread(s_bloom, i, 1).First).ToList();
        Assert.Equal(places, Enumerable.Range(0, 6000).Select(i => DirectCalls.Spread(new("default", "bloom"), i, 1).First));
        Assert.NotEqual(places, Enumerable.Range(0, 6000).Select(i => DirectCalls.Spread(new("default", "opt"), i, 1).First));
        Assert.All(Enumerable.Range(0, 6), tenth => Assert.InRange(places.Count(p => (int)(p / 10) == tenth), 850, 1150));
    }
}
