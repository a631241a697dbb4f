using Prewarm.Functions.Prewarm.Tiers;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class CacheTournamentTests
{
    // Twelve services, a cache of four: three are read often, the others in turn.
    private const int Services = 12;
    private const int Places = 4;

    [Fact]
    public void Worth_ForecastAlwaysWrong_NotFollowedForLong()
    {
        var misses = Misses((service, _) => service, out var tournament);
        Assert.NotEqual(7, tournament.Winner);
        Assert.InRange(misses, 0, Misses((_, _) => 1, out _) + 20);
    }

    [Fact]
    public void Worth_ForecastKnowsTheNextRead_Followed()
    {
        // The rare ones are read every 7 steps, so the next is known by heart; use does not tell it.
        var step = 0;
        var misses = Misses((service, _) => service < 3 ? 10 : service == Rare(step / 2 + 1) ? 100 : 0, out var tournament, () => step++);
        Assert.Equal(7, tournament.Winner);
        Assert.True(misses < Misses((_, _) => 1, out _), $"{misses}");
    }

    private static int Rare(int turn) => 3 + turn % (Services - 3);

    // Plays reads against a cache that follows the tournament.
    private static int Misses(Func<int, double, double> forecast, out CacheTournament tournament, Action? after = null)
    {
        var played = tournament = new CacheTournament(Services, Places, forecast);
        var held = new List<int>();
        var misses = 0;
        for (var i = 0; i < 2000; i++)
        {
            var service = i % 2 == 0 ? i / 2 % 3 : Rare(i / 2);
            var at = i * 600.0;
            played.Read(service, at);
            if (!held.Contains(service))
            {
                misses++;
                held.Add(service);
                if (held.Count > Places)
                {
                    held.Remove(held.MinBy(s => played.Worth(s, at)));
                }
            }

            after?.Invoke();
        }

        return misses;
    }
}
