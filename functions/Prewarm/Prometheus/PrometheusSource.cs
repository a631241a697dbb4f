using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Calls that pass no relay, from a Prometheus, minute by minute: 1. it is asked for the minutes not seen yet, once they are <see cref="Lag"/> old, and for the <see cref="Again"/> before them, whose samples may have come late; 2. after an
/// outage for at most <see cref="CatchUp"/> back, an hour at a time; 3. never for a time before this process, and in its first <see cref="Blind"/> minutes nothing is a call: what the one before it had sent and was told is not known here;
/// 4. each series' minutes become its model's; what of them is no demand <see cref="DirectCalls"/> tells.
/// </summary>
internal sealed class PrometheusSource(PrometheusClient client, PrometheusOptions options, ICatalog catalog, IArrivals arrivals, TimeProvider time, ILogger<PrometheusSource> logger)
{
    /// <summary>A minute is asked for this long after its end: scraped samples are there, and the other clock may differ.</summary>
    public static readonly TimeSpan Lag = TimeSpan.FromSeconds(30);

    public static readonly TimeSpan CatchUp = TimeSpan.FromHours(6);

    /// <summary>Minutes after the start in which what was sent and reported before may be seen.</summary>
    public const int Blind = 5;

    /// <summary>Minutes that are asked for again; no more than reports may be late, because then they have been learned from.</summary>
    public const int Again = 2;

    private const int MostMinutes = 60;

    // The first minute that may be asked for, and the next one.
    private long? _begun;
    private long? _next;

    // Given up since the last answer.
    private long _lost;
    private (PrometheusResult Result, bool Odd)? _told;

    /// <summary>One look.</summary>
    internal async Task TickAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var last = ((now - Lag).ToUnixTimeSeconds() / 60) - 1;
        // 3
        _begun ??= now.ToUnixTimeSeconds() / 60;
        // A clock that was ahead and is right again.
        _begun = Math.Min(_begun.Value, last + 2);
        _next = Math.Min(_next ?? _begun.Value, last + 2);
        // 2
        if (last - _next >= CatchUp.TotalMinutes)
        {
            var oldest = last - (long)CatchUp.TotalMinutes + 1;
            _lost += oldest - _next.Value;
            _next = oldest;
        }

        while (_next <= last)
        {
            // 1
            var from = Math.Max(_next.Value - Again, _begun.Value);
            var to = Math.Min(last, from + MostMinutes - 1);
            var answer = await client.AskAsync(from, to, cancellationToken);
            PrometheusMetrics.Polled(answer.Result);
            Say(answer);
            if (answer.Result is not (PrometheusResult.Read or PrometheusResult.Partial))
            {
                return;
            }

            if (_lost > 0)
            {
                Log.PrometheusMinutesLost(logger, options.Name, _lost);
                _lost = 0;
            }

            Take(answer, from, to);
            _next = to + 1;
        }
    }

    /// <summary>4.</summary>
    private void Take(PrometheusAnswer answer, long from, long to)
    {
        var models = new PrometheusModels(catalog.Current);
        var counts = new Dictionary<(ModelKey Model, long Minute), (long Count, long Calls)>();
        var nobodys = 0;
        foreach (var series in answer.Series)
        {
            if (models.Find(series.Labels) is not { } found)
            {
                nobodys++;
                continue;
            }

            foreach (var (at, count) in series.Points)
            {
                var minute = (long)Math.Round(at / 60) - 1;
                if (count > 0 && minute >= from && minute <= to)
                {
                    // 3, and what is no call for its time, explain what we sent and are nothing else.
                    var calls = minute >= _begun + Blind && PrometheusModels.Counts(found.Model, found.Version, DateTimeOffset.FromUnixTimeSeconds(minute * 60));
                    var before = counts.GetValueOrDefault((found.Model.Key(), minute));
                    counts[(found.Model.Key(), minute)] = (before.Count + count, before.Calls + (calls ? count : 0));
                }
            }
        }

        foreach (var ((model, minute), (count, calls)) in counts)
        {
            arrivals.See(model, minute, (int)Math.Min(count, int.MaxValue), (int)Math.Min(calls, int.MaxValue));
        }

        arrivals.SeenUntil(to);
        arrivals.Keep(catalog.Current.ByKey.Keys.ToHashSet());
        PrometheusMetrics.Answered(answer.Series.Count - nobodys, nobodys, answer.Odd);
    }

    /// <summary>Once for as long as it stays the same.</summary>
    private void Say(PrometheusAnswer answer)
    {
        var now = (answer.Result, answer.Odd > 0);
        if (_told == now)
        {
            return;
        }

        if (answer.Result is PrometheusResult.Read or PrometheusResult.Partial && answer.Odd > 0)
        {
            Log.PrometheusOdd(logger, options.Name, answer.Odd);
        }

        if (answer.Result != PrometheusResult.Read)
        {
            if (_told?.Result != answer.Result)
            {
                Log.PrometheusUnread(logger, options.Name, answer.Result, answer.Message);
            }
        }
        else if (_told?.Result != PrometheusResult.Read)
        {
            Log.PrometheusRead(logger, options.Name);
        }

        _told = now;
    }
}
