using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public sealed class FleetForecastTests
{
    private const double Patience = 3600;
    // Nine in the morning, UTC, of a Monday.
    private static readonly double s_nine = new DateTimeOffset(2026, 11, 2, 9, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds();
    private static readonly DateTimeOffset s_now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Plan_CalledEveryMorning_PodAndCacheBeforeIt_NoneOvernight_AlsoAfterRestarts()
    {
        var (forecast, memory) = (New(), new ServiceMemory());
        var random = new Random(5);
        var last = 0.0;
        for (var day = 0; day < 10; day++)
        {
            // An hour of calls, beginning within ten minutes.
            for (var at = s_nine + (day * 86400) + random.Next(600); at < s_nine + (day * 86400) + 3600; at += 20 + random.Next(60))
            {
                forecast.Arrive("a", memory, Patience, at);
                last = at;
            }

            // Killed every night: what is saved is all that is left.
            forecast = New(FleetStateFormat.TryRead(FleetStateFormat.Write(forecast.Fleet))!);
            var bytes = new byte[ServiceMemoryFormat.Size];
            ServiceMemoryFormat.Write(memory, bytes);
            Assert.True(ServiceMemoryFormat.TryRead(bytes, out memory));
        }

        PrewarmPlan At(double hour)
        {
            var windows = new ReadyWindow[GapPolicy.MostWindows];
            var (count, _) = forecast.Plan("a", memory, Patience, 1, windows);
            var now = DateTimeOffset.FromUnixTimeMilliseconds((long)((s_nine + (9 * 86400) + (hour * 3600)) * 1000));
            return PrewarmPlanner.Plan(new() { Patience = Patience, Cache = "Release", CacheIdleMinutes = 60 }, windows.AsSpan(0, count), last, 1, now);
        }

        // 15 minutes before the session's usual beginning a pod is not needed yet; at its beginning it is there, and the cache before it.
        Assert.Equal(1, At(24).Pods);
        Assert.True(At(23.95).Cache);
        Assert.All((double[])[4, 8, 12, 16, 20], h => Assert.Equal((0, false), (At(h).Pods, At(h).Cache)));
        Assert.Equal(0, At(30).Pods);
    }

    [Fact]
    public void Arrive_PolicyThatCostsLess_IsChosenAndRegretStaysSmall()
    {
        // Memoryless, a minute in the mean: with half an hour of patience the keep-alives are the best there is.
        var (forecast, memory) = (New(), new ServiceMemory());
        var random = new Random(2);
        for (var at = s_nine; memory.Seen < 400; at -= 60 * Math.Log(1 - random.NextDouble()))
        {
            forecast.Arrive("a", memory, 1800, at);
        }

        Assert.InRange(FleetForecast.Regret(memory, 1800), -2, 8);
        Assert.Equal(0, FleetForecast.Regret(memory, 60));
        var (_, policy) = forecast.Plan("a", memory, 1800, 1, new ReadyWindow[GapPolicy.MostWindows]);
        Assert.NotEqual("off", policy);
        // Another patience begins anew.
        forecast.Arrive("a", memory, 5, memory.Last + 1000);
        Assert.Equal(5f, memory.Guarded[1]);
        Assert.InRange(memory.Losses[PolicyGuard.Off], 0.9f, 1.1f);
    }

    [Fact]
    public void Name_Policies_AreAsTheStatusHasThem() => Assert.Equal(["learned", "hybrid", "off", "fixed-60", "fixed-14400", "own"], new[] { 0, 1, 2, 3, 11, 12 }.Select(FleetForecast.Name));

    [Fact]
    public void SlotHistogram_Timer_IsAWindowAroundIt_AndNothingKnownTenMinutes()
    {
        var memory = new ServiceMemory();
        Assert.Equal(new ReadyWindow(0, 600), SlotHistogram.Window(memory));
        for (var i = 0; i < 20; i++)
        {
            memory.Add(s_nine + (i * 3600));
        }

        var window = SlotHistogram.Window(memory);
        Assert.InRange(window.Start, 3000, 3599);
        Assert.InRange(window.End, 3601, 4300);
        memory = new();
        for (var i = 0; i < 5; i++)
        {
            memory.Add(s_nine + (i * 36000));
        }

        Assert.Equal((30600, 41400), ((int)SlotHistogram.Window(memory).Start, (int)SlotHistogram.Window(memory).End));
    }

    [Fact]
    public void Memory_KeepsWhatThePoliciesCostAndHowLongLoadsTook_InFourKilobytes()
    {
        var memory = new ServiceMemory();
        memory.Add(s_nine);
        memory.Add(s_nine + 700);
        (memory.Losses[PolicyGuard.Own], memory.Guarded[0]) = (3, 2);
        memory.Took(pod: true, 7);
        var bytes = new byte[ServiceMemoryFormat.Size];
        ServiceMemoryFormat.Write(memory, bytes);
        Assert.True(ServiceMemoryFormat.TryRead(bytes, out var read));
        Assert.Equal((2, 700f, memory.Last, 3, 2, 7), (read.Seen, read.Gap, read.Last, read.Losses[PolicyGuard.Own], read.Guarded[0], read.Lead(pod: true)));
        Assert.InRange(ServiceMemoryFormat.Size, 1, 4096);

        // Of the release before, whose slots were others.
        bytes[1]--;
        Assert.False(ServiceMemoryFormat.TryRead(bytes, out _));
    }

    [Fact]
    public async Task Store_RestartAndTwoWriters_KeepsWhatLearnedMostAndEveryReport()
    {
        await using var world = new ApiWorld();
        await world.StartAsync();
        var time = new FakeTimeProvider(s_now);
        var (a, b) = (New(), New());
        var (seenA, seenB) = (new SeenEvents(100), new SeenEvents(100));
        FleetStore Store(FleetForecast forecast, SeenEvents seen) => new(world.Api, forecast, seen, new() { StateNamespace = "default" }, time, NullLogger<FleetStore>.Instance);
        var (one, two) = (Store(a, seenA), Store(b, seenB));
        await one.LoadAsync(world.Deadline);
        await two.LoadAsync(world.Deadline);
        Assert.True(one.First);
        Call(a, 60);
        Call(b, 200);
        var minute = s_now.ToUnixTimeSeconds() / 60;
        seenA.Add("relay#1", minute - 10);
        seenB.Add("relay#2", minute - 10);
        // Not learned from yet: after a crash it has to count when it comes again.
        seenA.Add("relay#3", minute);
        await Task.WhenAll(one.SaveAsync(now: true, world.Deadline), two.SaveAsync(now: true, world.Deadline));
        var (third, seen) = (New(), new SeenEvents(100));
        var next = Store(third, seen);
        await next.LoadAsync(world.Deadline);
        Assert.False(next.First);
        Assert.Equal(b.Fleet.Learnt, third.Fleet.Learnt);
        Assert.True(b.Fleet.Learnt > a.Fleet.Learnt);
        Assert.Equal((false, false, true), (seen.Add("relay#1", minute), seen.Add("relay#2", minute), seen.Add("relay#3", minute)));
        // Laws are looked at anew when they are read.
        Assert.All(Rates(b).Zip(Rates(third)), r => Assert.Equal(r.First, r.Second, 0.01f));
        // Ten minutes are between two writes.
        var written = await VersionAsync();
        Call(third, 3);
        await next.SaveAsync(now: false, world.Deadline);
        Assert.Equal(written, await VersionAsync());
        time.Advance(FleetStore.Pace);
        await next.SaveAsync(now: false, world.Deadline);
        Assert.NotEqual(written, await VersionAsync());

        async Task<string?> VersionAsync() => (await world.Api.GetAsync(PrewarmKinds.ConfigMaps, "default", FleetStore.Name, world.Deadline))!.Metadata.ResourceVersion;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Store_CorruptOrNewer_IsKeptAsideAndBegunAfresh(bool newer)
    {
        await using var world = new ApiWorld();
        await world.StartAsync();
        var bytes = FleetStateFormat.Write(new(0, ForecastPrior.ReadNeutral()));
        bytes[1] += (byte)(newer ? 1 : 0);
        var text = Convert.ToBase64String(newer ? bytes : bytes[..^3]);
        await world.Api.CreateAsync(PrewarmKinds.ConfigMaps, "default", new StateMap { ApiVersion = "v1", Kind = "ConfigMap", Metadata = new() { Name = FleetStore.Name }, BinaryData = new() { ["fleet"] = text } }, world.Deadline);
        var forecast = New();
        var store = new FleetStore(world.Api, forecast, new(10), new() { StateNamespace = "default" }, new FakeTimeProvider(s_now), NullLogger<FleetStore>.Instance);
        await store.LoadAsync(world.Deadline);
        Call(forecast, 5);
        await store.SaveAsync(now: true, world.Deadline);
        var map = (await world.Api.GetAsync(PrewarmKinds.ConfigMaps, "default", FleetStore.Name, world.Deadline))!;
        Assert.Equal(text, map.BinaryData!["aside.fleet"]);
        Assert.NotNull(FleetStateFormat.TryRead(Convert.FromBase64String(map.BinaryData["fleet"])));
        Assert.InRange(map.BinaryData.Sum(d => d.Value.Length), 1, 500_000);
    }

    private static FleetForecast New(LearnedForecast? fleet = null) => new(fleet ?? new(0, ForecastPrior.ReadNeutral()));

    private static void Call(FleetForecast forecast, int calls)
    {
        var memory = new ServiceMemory();
        for (var i = 0; i < calls; i++)
        {
            forecast.Arrive("a", memory, 600, s_nine + (i * 700));
        }
    }

    private static float[] Rates(FleetForecast forecast)
    {
        var memory = new ServiceMemory();
        memory.Add(s_nine + 1_000_000);
        var rates = new float[SlotGrid.Count];
        forecast.Fleet.Forecast(memory, memory.Last, rates);
        return rates;
    }
}
