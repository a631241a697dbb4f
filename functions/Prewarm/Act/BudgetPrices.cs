using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What an idle second costs each model against its usual price, because of its own budget of pod-hours (or, with <paramref name="cache"/>, of GB-hours) and its namespace's: the dearer of the two. The windows worth
/// least fall away first, and what is left of a day lasts longer. That no budget is overdrawn is not up to this: <see cref="HoldActor"/> and <see cref="CacheCharge"/> charge it.
/// </summary>
internal sealed class BudgetPrices(PrewarmOptions options, bool cache = false)
{
    private const double Day = 86_400;

    // So dear that nothing pays, and still a number in JSON.
    private const double Most = 1e6;

    private readonly Dictionary<string, BudgetPrice> _prices = new(StringComparer.Ordinal);

    /// <param name="status">What the model's day has cost; its price goes on where this process knows none.</param>
    /// <param name="others">Pod-seconds (GB-seconds) of this day of the namespace's other models.</param>
    /// <returns>At least 1; 1: no budget, or it is not spent ahead of the clock.</returns>
    public double Of(ModelKey key, PrewarmBudget budget, PrewarmStatus status, double others, DateTimeOffset now)
    {
        var (spent, before) = cache ? (CacheCharge.Used(status, now), status.CachePrice) : (status.Today(now).PodSeconds, status.Price);
        var price = 1.0;
        if ((cache ? budget.CacheGbHours : budget.PodHours) is { } own)
        {
            price = Math.Max(price, Look($"{key}", own, before, spent, now));
        }

        if ((cache ? options.NamespaceCacheGbHours : options.NamespacePodHours).TryGetValue(key.Namespace, out var shared))
        {
            price = Math.Max(price, Look(key.Namespace, shared, before, spent + others, now));
        }

        return Math.Min(price, Most);
    }

    /// <summary>Forgets the prices of models that are no more.</summary>
    public void Keep(IEnumerable<ModelKey> models)
    {
        var kept = models.SelectMany(m => (string[])[$"{m}", m.Namespace]).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in _prices.Keys.Where(k => !kept.Contains(k)).ToList())
        {
            _prices.Remove(gone);
        }
    }

    private double Look(string whose, double hours, double? before, double spent, DateTimeOffset now)
    {
        // A budget that was changed is another one.
        if (!_prices.TryGetValue(whose, out var price) || Math.Abs(price.Budget - (hours * 3600)) > 1e-3)
        {
            _prices[whose] = price = new(hours * 3600, Day, before ?? 1);
        }

        price.Observe(spent, now.ToUnixTimeMilliseconds() / 1000.0);
        return price.Price;
    }
}
