using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Prewarm.Functions.Prewarm;

/// <summary>Ids of the last reports, so that one that comes twice counts once. The oldest is forgotten first.</summary>
internal sealed class SeenEvents(int most)
{
    private readonly Lock _lock = new();
    private readonly HashSet<ulong> _ids = [];
    private readonly Queue<(ulong Id, long Minute)> _order = new();

    /// <param name="minute">Which minute it is about, since 1970.</param>
    /// <returns>True the first time.</returns>
    public bool Add(string id, long minute) => Add(Hash(id), minute);

    /// <summary>Ids of reports about minutes up to <paramref name="minute"/>, the newest last and at most so many: what a restart is to know, because those minutes have been learned from.</summary>
    public ulong[] Until(long minute, int most)
    {
        lock (_lock)
        {
            return [.. _order.Where(o => o.Minute <= minute).Select(o => o.Id).TakeLast(most)];
        }
    }

    /// <summary>What another process has seen.</summary>
    public void Restore(IEnumerable<ulong> ids)
    {
        foreach (var id in ids)
        {
            Add(id, 0);
        }
    }

    private bool Add(ulong id, long minute)
    {
        lock (_lock)
        {
            if (!_ids.Add(id))
            {
                return false;
            }

            _order.Enqueue((id, minute));
            if (_order.Count > most)
            {
                _ids.Remove(_order.Dequeue().Id);
            }

            return true;
        }
    }

    private static ulong Hash(string id) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(id)));
}
