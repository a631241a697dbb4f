using System.Collections.Concurrent;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Counts arrivals by model and minute. A request takes no lock, except the one that turns the page.</summary>
internal sealed class TrafficBook(TimeProvider time)
{
    /// <summary>A minute is closed this long after its end, when no request can be about to write into it.</summary>
    public static readonly TimeSpan Settle = TimeSpan.FromSeconds(2);

    private readonly Lock _turning = new();
    private readonly Queue<TrafficPage> _full = new();
    private readonly ConcurrentQueue<ColdAnswer> _cold = new();
    private TrafficPage? _page;

    /// <summary>A prediction has come.</summary>
    public void Arrived(ModelKey model)
    {
        var now = time.GetUtcNow();
        PageOf(now).Of(model).Arrived((int)(now.UtcTicks % TimeSpan.TicksPerMinute / TimeSpan.TicksPerMillisecond));
    }

    /// <summary>A prediction is over, well or not.</summary>
    /// <param name="took">Without what it was held.</param>
    public void Served(ModelKey model, TimeSpan took) => PageOf(time.GetUtcNow()).Of(model).Served(took);

    /// <summary>A request goes to the model that is no demand: who counts them at the gateway sees it too.</summary>
    public void Other(ModelKey model) => PageOf(time.GetUtcNow()).Of(model).Other();

    /// <summary>The head of the answer to a prediction that waited for a start has come.</summary>
    /// <param name="after">Since it was let go.</param>
    /// <param name="first">It is the first one after the start, and told before the minute is over.</param>
    public void Woken(ModelKey model, TimeSpan after, bool first)
    {
        var now = time.GetUtcNow();
        PageOf(now).Of(model).Woken(after);
        if (first)
        {
            _cold.Enqueue(new(model, now, after));
        }
    }

    /// <summary>Takes out what has answered after a start since the last time.</summary>
    public IEnumerable<ColdAnswer> TakeCold()
    {
        while (_cold.TryDequeue(out var answer))
        {
            yield return answer;
        }
    }

    /// <summary>Takes out the minutes that are over; at the end of the process the one that is not, too.</summary>
    public IReadOnlyList<TrafficPage> Take(bool all = false)
    {
        lock (_turning)
        {
            var over = time.GetUtcNow() - Settle - TimeSpan.FromMinutes(1);
            if (_page is { } page && (all || page.Minute <= over))
            {
                _full.Enqueue(page);
                _page = null;
            }

            var taken = new List<TrafficPage>();
            while (_full.TryPeek(out var first) && (all || first.Minute <= over))
            {
                taken.Add(_full.Dequeue());
            }

            return taken;
        }
    }

    public static DateTimeOffset MinuteOf(DateTimeOffset now) => new(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerMinute), TimeSpan.Zero);

    private TrafficPage PageOf(DateTimeOffset now)
    {
        var minute = MinuteOf(now);
        return Volatile.Read(ref _page) is { } page && page.Minute == minute ? page : Turn(minute);
    }

    private TrafficPage Turn(DateTimeOffset minute)
    {
        lock (_turning)
        {
            // Somebody has turned it meanwhile; or a clock went back, whose requests the open page takes.
            if (_page is { } page)
            {
                if (page.Minute >= minute)
                {
                    return page;
                }

                _full.Enqueue(page);
            }

            return _page = new(minute);
        }
    }
}

/// <summary>The first answer of a model after a start.</summary>
/// <param name="At">When its head came.</param>
/// <param name="After">Since its request was let go.</param>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct ColdAnswer(ModelKey Model, DateTimeOffset At, TimeSpan After);

/// <summary>One minute.</summary>
internal sealed class TrafficPage(DateTimeOffset minute)
{
    private readonly ConcurrentDictionary<ModelKey, TrafficTally> _models = new();

    public DateTimeOffset Minute => minute;

    public IEnumerable<KeyValuePair<ModelKey, TrafficTally>> Models => _models;

    public TrafficTally Of(ModelKey model) => _models.TryGetValue(model, out var tally) ? tally : _models.GetOrAdd(model, static _ => new());
}

/// <summary>One model's minute.</summary>
internal sealed class TrafficTally
{
    private int _count;
    private int _first = int.MaxValue;
    private int _last;
    private int _served;
    private long _ticks;
    private int _others;
    private long _firstByte = -1;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Seconds into the minute.</summary>
    public double First => Count == 0 ? 0 : Volatile.Read(ref _first) / 1000.0;

    /// <summary>Seconds into the minute.</summary>
    public double Last => Volatile.Read(ref _last) / 1000.0;

    public int Ended => Volatile.Read(ref _served);

    public int Others => Volatile.Read(ref _others);

    public double Seconds => TimeSpan.FromTicks(Volatile.Read(ref _ticks)).TotalSeconds;

    /// <summary>Seconds from letting the first one go that waited for a start, to the head of its answer; null: none waited.</summary>
    public double? FirstByte => Volatile.Read(ref _firstByte) is >= 0 and var ticks ? TimeSpan.FromTicks(ticks).TotalSeconds : null;

    public void Other() => Interlocked.Increment(ref _others);

    public void Woken(TimeSpan after) => Interlocked.CompareExchange(ref _firstByte, Math.Max(0, after.Ticks), -1);

    public void Arrived(int millisecond)
    {
        for (var first = Volatile.Read(ref _first); millisecond < first; first = Volatile.Read(ref _first))
        {
            Interlocked.CompareExchange(ref _first, millisecond, first);
        }

        for (var last = Volatile.Read(ref _last); millisecond > last; last = Volatile.Read(ref _last))
        {
            Interlocked.CompareExchange(ref _last, millisecond, last);
        }

        // Last, so that whoever sees a count sees when, too.
        Interlocked.Increment(ref _count);
    }

    public void Served(TimeSpan took)
    {
        Interlocked.Increment(ref _served);
        Interlocked.Add(ref _ticks, took.Ticks);
    }
}
