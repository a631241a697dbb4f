namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Keeps a budget: the more it is spent ahead of the clock, the dearer an idle second, so that the least valuable windows fall away first; what is left is
/// never overdrawn. Of pod-seconds or of GB-seconds, in fixed periods.
/// </summary>
/// <param name="budget">What a period may cost; 0 = nothing.</param>
/// <param name="period">Seconds.</param>
/// <param name="before">The price to begin with, at least 1: what another process had come to.</param>
internal sealed class BudgetPrice(double budget, double period, double before = 1)
{
    // A twentieth of the budget spent ahead of the clock makes it e times as dear at once; a fifth, all period long, for good.
    private const double AtOnce = 20;
    private const double ForGood = 5;
    private long current = long.MinValue;
    private double pricedAt;
    private double level = Math.Log(Math.Max(1, before));
    private double ahead;

    /// <summary>What a period may cost.</summary>
    public double Budget => budget;

    /// <summary>Spent or reserved in this period.</summary>
    public double Spent { get; private set; }

    /// <summary>What is left of this period's budget.</summary>
    public double Left => Math.Max(0, budget - Spent);

    /// <summary>Price of an idle second against that without a budget, at least 1: the dual variable.</summary>
    public double Price => budget <= 0 ? double.PositiveInfinity : Math.Exp(Math.Clamp(level + AtOnce * ahead, 0, 20));

    /// <summary>The patience to decide with, where <paramref name="asked"/> is what a cold start is worth without a budget.</summary>
    public double Patience(double asked, double now)
    {
        Look(now);
        return asked / Price;
    }

    /// <summary>Takes what this period has cost so far, as it was counted elsewhere.</summary>
    public void Observe(double spent, double now)
    {
        var first = current == long.MinValue;
        if (first)
        {
            (current, pricedAt) = ((long)Math.Floor(now / period), now);
        }

        Look(now);
        Spent = spent;
        ahead = budget > 0 ? spent / budget - (now - current * period) / period : 0;
        if (first)
        {
            // What is spent ahead is in the price it began with already.
            level = Math.Max(0, level - AtOnce * Math.Max(0, ahead));
        }
    }

    /// <summary>Reserves as much of <paramref name="wanted"/> as is left.</summary>
    /// <returns>What may be used; 0 when nothing is left.</returns>
    public double Reserve(double wanted, double now)
    {
        Look(now);
        var granted = Math.Clamp(wanted, 0, Left);
        Spent += granted;
        return granted;
    }

    /// <summary>Gives back what was reserved in this period and not used: the call came, or the window was dropped.</summary>
    public void Return(double unused, double reservedAt, double now)
    {
        Look(now);
        if ((long)Math.Floor(reservedAt / period) == current)
        {
            Spent = Math.Max(0, Spent - Math.Max(0, unused));
        }
    }

    private void Look(double now)
    {
        var at = (long)Math.Floor(now / period);
        if (at > current)
        {
            // The price is carried over: what was too much yesterday is likely to be so today.
            (current, Spent, pricedAt) = (at, 0, Math.Max(pricedAt, at * period));
        }

        if (now > pricedAt && budget > 0)
        {
            ahead = Spent / budget - (now - current * period) / period;
            level = Math.Clamp(level + ForGood * ahead * (now - pricedAt) / period, 0, 20);
            pricedAt = now;
        }
    }
}
