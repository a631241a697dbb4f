namespace Prewarm.Functions.Prewarm;

/// <summary>Ids of the last events, so that one that comes twice counts once. The oldest is forgotten first.</summary>
internal sealed class SeenEvents(int most)
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _ids = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <summary>True the first time.</summary>
    public bool Add(string id)
    {
        lock (_lock)
        {
            if (!_ids.Add(id))
            {
                return false;
            }

            _order.Enqueue(id);
            if (_order.Count > most)
            {
                _ids.Remove(_order.Dequeue());
            }

            return true;
        }
    }
}
