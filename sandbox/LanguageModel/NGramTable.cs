using System.Runtime.InteropServices;

namespace Prewarm.Sandbox.LanguageModel;

/// <summary>
/// The contexts of one order in an open-addressing hash table: 64-bit context hashes (0 = free slot) and, per slot, the two likeliest next tokens (-1 = none).
/// It is kept as two tensors, so that loading a model is nothing but reading its shards.
/// </summary>
internal sealed class NGramTable
{
    private readonly long[] _keys;
    private readonly int[] _next;

    private NGramTable(int order, long[] keys, int[] next) => (Order, _keys, _next) = (order, keys, next);

    /// <summary>How many tokens a context has.</summary>
    public int Order { get; }

    public static NGramTable Train(int order, List<int> tokens, int minSlots)
    {
        // 1. Count what follows each context.
        var follows = new Dictionary<long, Dictionary<int, int>>();
        for (var i = order; i < tokens.Count; i++)
        {
            var key = Hash(CollectionsMarshal.AsSpan(tokens).Slice(i - order, order));
            if (!follows.TryGetValue(key, out var counts))
            {
                follows[key] = counts = [];
            }

            counts[tokens[i]] = counts.GetValueOrDefault(tokens[i]) + 1;
        }

        // 2. Half full at most, so that a probe is short.
        var slots = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(minSlots, (follows.Count * 2) + 1));
        var keys = new long[slots];
        var next = new int[slots * 2];
        Array.Fill(next, -1);
        foreach (var (key, counts) in follows)
        {
            var slot = Slot(keys, key);
            keys[slot] = key;
            var best = counts.OrderByDescending(c => c.Value).ThenBy(c => c.Key).Take(2).ToList();
            for (var i = 0; i < best.Count; i++)
            {
                next[(slot * 2) + i] = best[i].Key;
            }
        }

        return new(order, keys, next);
    }

    public static NGramTable Read(int order, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var keys = Tensor(tensors, $"ngram.{order}.key", "I64");
        var next = Tensor(tensors, $"ngram.{order}.next", "I32");
        if (keys.Length == 0 || keys.Length != next.Length || !System.Numerics.BitOperations.IsPow2(keys.Length / 8))
        {
            throw new InvalidDataException($"the tensors of ngram.{order} do not fit together");
        }

        return new(order, MemoryMarshal.Cast<byte, long>(keys).ToArray(), MemoryMarshal.Cast<byte, int>(next).ToArray());
    }

    public IEnumerable<Tensor> Tensors() =>
    [
        new($"ngram.{Order}.key", "I64", [_keys.Length], MemoryMarshal.AsBytes(_keys.AsSpan()).ToArray()),
        new($"ngram.{Order}.next", "I32", [_keys.Length, 2], MemoryMarshal.AsBytes(_next.AsSpan()).ToArray()),
    ];

    /// <summary>The two likeliest tokens after a context; -1 where there is none.</summary>
    public (int First, int Second) Next(ReadOnlySpan<int> context)
    {
        var key = Hash(context);
        var slot = Slot(_keys, key);
        return _keys[slot] == key ? (_next[slot * 2], _next[(slot * 2) + 1]) : (-1, -1);
    }

    /// <summary>FNV-1a over the token ids: the same on every machine, and the order is part of it.</summary>
    public static long Hash(ReadOnlySpan<int> context)
    {
        var hash = 14695981039346656037UL ^ (ulong)context.Length;
        foreach (var token in context)
        {
            hash = (hash ^ (uint)token) * 1099511628211UL;
            hash ^= hash >> 29;
        }

        return hash == 0 ? 1 : (long)hash;
    }

    private static int Slot(long[] keys, long key)
    {
        var slot = (int)((ulong)key & (ulong)(keys.Length - 1));
        while (keys[slot] != 0 && keys[slot] != key)
        {
            slot = (slot + 1) & (keys.Length - 1);
        }

        return slot;
    }

    private static byte[] Tensor(IReadOnlyDictionary<string, Tensor> tensors, string name, string dtype) =>
        tensors.TryGetValue(name, out var tensor) && tensor.DType == dtype ? tensor.Data : throw new InvalidDataException($"no {dtype} tensor {name} in the shards");
}
