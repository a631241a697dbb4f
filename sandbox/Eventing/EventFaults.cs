namespace Prewarm.Sandbox.Eventing;

/// <summary>What brokers, and the object store's own sender, do to the events they have accepted: everything that at-least-once delivery without order allows, and losing them, which it does not.</summary>
internal sealed class EventFaults
{
    private readonly Lock _gate = new();
    private Random? _random;

    /// <value>Share of accepted events that vanish, 0 to 1. Default 0.</value>
    public double Drop { get; set; }

    /// <value>So many more deliveries of each event, with the same id. Default 0.</value>
    public int Duplicates { get; set; }

    /// <value>Events held back and let go in random order; 0 or 1 keeps the order of arrival. Default 0.</value>
    public int ShuffleWindow { get; set; }

    /// <value>An event is held back for shuffling at most so long. Default 250 ms.</value>
    public TimeSpan ShuffleHold { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <value>Seed of all the chances; set before the first event.</value>
    public int Seed { get; set; } = 1;

    /// <summary>Takes the chance of one event.</summary>
    public bool Drops() => Drop > 0 && Draw(r => r.NextDouble()) < Drop;

    /// <summary>A random place in a list of <paramref name="count"/>.</summary>
    public int Pick(int count) => Draw(r => r.Next(count));

    private T Draw<T>(Func<Random, T> draw)
    {
        lock (_gate)
        {
            return draw(_random ??= new(Seed));
        }
    }
}
