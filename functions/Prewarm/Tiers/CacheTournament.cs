namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>
/// Which ranking a full cache follows: each is tried on the same reads in a cache of ids of the same size, and the one with the fewest misses of late is
/// followed. So the forecast's ranking is used only while it does better than most use or newest use, and never does worse than them for long.
/// </summary>
internal sealed class CacheTournament
{
    // Misses fade by this each read; a ranking has to be better by this many to take over.
    private const double Keep = 1 - 1.0 / 400;
    private const double Lead = 1;

    private static readonly double[] HalfLives = [86400, 3 * 86400, 7 * 86400];

    // Most use by each half-life, letting every newcomer in (the first is the plain rule) or only one worth more than the least; newest use; the
    // forecast, and forecast × most use, choosy as well.
    private const int Choosy = 3;
    private const int Newest = 6;
    private const int Forecast = 7;
    private const int Rankings = 9;

    private readonly int places;
    private readonly Func<int, double, double> forecast;
    private readonly double[] last;
    private readonly double[][] uses;
    private readonly List<int>[] held = [.. Enumerable.Range(0, Rankings).Select(_ => new List<int>())];
    private readonly double[] misses = new double[Rankings];

    /// <param name="services">How many services there are.</param>
    /// <param name="places">How many the cache holds.</param>
    /// <param name="forecast">What the forecast says a service's place is worth at a time.</param>
    public CacheTournament(int services, int places, Func<int, double, double> forecast)
    {
        this.places = places;
        this.forecast = forecast;
        last = new double[services];
        uses = [.. HalfLives.Select(_ => new double[services])];
    }

    /// <summary>The ranking that is followed.</summary>
    public int Winner { get; private set; }

    /// <summary>Takes a read of a service's data.</summary>
    public void Read(int service, double at)
    {
        for (var h = 0; h < HalfLives.Length; h++)
        {
            uses[h][service] = uses[h][service] * Math.Pow(0.5, (at - last[service]) / HalfLives[h]) + 1;
        }

        last[service] = at;
        for (var r = 0; r < Rankings; r++)
        {
            misses[r] *= Keep;
            if (!held[r].Contains(service))
            {
                misses[r]++;
                Admit(r, service, at);
            }
        }

        var best = Array.IndexOf(misses, misses.Min());
        Winner = misses[best] < misses[Winner] - Lead ? best : Winner;
    }

    /// <summary>What a place is worth by the ranking that is followed; what that one would hold comes before all else.</summary>
    public double Worth(int service, double now)
    {
        var rank = Rank(Winner, service, now);
        return held[Winner].Contains(service) ? rank + 1e12 : rank;
    }

    private void Admit(int ranking, int service, double at)
    {
        var mine = held[ranking];
        if (mine.Count >= places)
        {
            var (least, worth) = ranking < Choosy ? (-1, double.MaxValue) : (service, Rank(ranking, service, at));
            foreach (var other in mine)
            {
                var its = Rank(ranking, other, at);
                if (its < worth)
                {
                    (least, worth) = (other, its);
                }
            }

            if (least == service)
            {
                return;
            }

            mine.Remove(least);
        }

        mine.Add(service);
    }

    private double Rank(int ranking, int service, double now) => ranking switch
    {
        < Newest => Use(ranking % Choosy, service, now),
        Newest => last[service],
        Forecast => forecast(service, now),
        _ => forecast(service, now) * Use(0, service, now),
    };

    private double Use(int halfLife, int service, double now) => uses[halfLife][service] * Math.Pow(0.5, (now - last[service]) / HalfLives[halfLife]);
}
