namespace Prewarm.Functions.Relay;

/// <summary>The last few cold starts of a model, from the first held request to the first answer. Not safe for threads.</summary>
internal sealed class ColdStartTimes
{
    private const int Kept = 5;
    private readonly TimeSpan[] _last = new TimeSpan[Kept];
    private int _count;

    /// <summary>Until something was measured: what the CachedModel's status tells of an earlier activation.</summary>
    public TimeSpan? Seed { get; set; }

    public TimeSpan? Shortest => _count == 0 ? Seed : Seen.Min();

    /// <summary>The median.</summary>
    public TimeSpan? Typical => _count == 0 ? Seed : Seen.Order().ElementAt((Math.Min(_count, Kept) - 1) / 2);

    private IEnumerable<TimeSpan> Seen => _last.Take(Math.Min(_count, Kept));

    public void Add(TimeSpan took) => _last[_count++ % Kept] = took;
}
