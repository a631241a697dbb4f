using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// The pooled regression that weighs the experts: log hazard rate of a slot = the pooled law's + a linear part + a layer of rectified units over
/// the features. Learned from the gaps (a Poisson process within each slot) with Adam by <see cref="TiltedLoss"/>.
/// Untrained it is the service's own shrunk law.
/// </summary>
internal sealed class HazardNetwork
{
    /// <summary>Slots are worked on in blocks of this many: rows of features are as long as a multiple of it.</summary>
    public const int Block = 16;

    private const int N = SlotGrid.Count;
    private const int F = GapFeatures.PerSlot;
    private const int G = GapFeatures.PerGap;
    private const int Row = F + G + 2;

    // Per unit: F weights by slot, G by gap, a bias, the output weight. Then the linear part: F weights, G weights, a bias.
    private readonly int units;
    private readonly float[] weights;
    private readonly float[] gradient;
    private readonly float[] first;
    private readonly float[] second;
    private readonly float[] active;
    private readonly float[] bias;
    private readonly float[] push = new float[N];
    private readonly float[] pushed = new float[N];
    private float[]? mean;
    private long steps;

    public HazardNetwork(int units, int seed)
    {
        this.units = units;
        var length = Length(units);
        weights = new float[length];
        gradient = new float[length];
        first = new float[length];
        second = new float[length];
        active = new float[units * N];
        bias = new float[units + 1];
        var random = new Random(seed);
        for (var u = 0; u < units; u++)
        {
            for (var i = 0; i < F + G; i++)
            {
                weights[u * Row + i] = (float)((random.NextDouble() * 2 - 1) * Math.Sqrt(3.0 / (F + G)));
            }
        }

        var linear = units * Row;
        weights[linear + 1] = weights[linear + 2] = 1;
        weights[linear + 3] = weights[linear + 4] = weights[linear + 5] = 0.5f;
    }

    /// <summary>A copy with the same weights that learns on its own.</summary>
    public HazardNetwork(HazardNetwork other)
        : this(other.units, 0)
    {
        other.weights.CopyTo(weights, 0);
    }

    /// <summary>Numbers that make a network of so many units.</summary>
    public static int Length(int units) => units * Row + F + G + 1;

    /// <summary>Units of the hidden layer.</summary>
    public int Units => units;

    /// <summary>What was learnt; <see cref="Length"/> numbers.</summary>
    public Span<float> Weights => weights;

    /// <summary><paramref name="slots"/> rounded up to whole blocks.</summary>
    public static int Padded(int slots) => (slots + Block - 1) / Block * Block;

    /// <summary>Writes the mean of the networks' log hazard rates (per second) of all slots, in one pass over the features.</summary>
    public static void Forecast(HazardNetwork[] networks, GapFeatures features, Span<float> output)
    {
        features.Base.CopyTo(output);
        foreach (var network in networks)
        {
            network.AddTo(output, 1f / networks.Length, features.Slots, N, features.Whole, N, keep: false);
        }

        Clamp(output);
    }

    /// <summary>Writes the log hazard rates (per second) of the first <paramref name="slots"/> slots; the rows have <see cref="Padded"/> places.</summary>
    public void Forecast(ReadOnlySpan<float> basis, ReadOnlySpan<float> perSlot, int stride, ReadOnlySpan<float> perGap, int slots, Span<float> output)
    {
        var padded = Padded(slots);
        basis[..padded].CopyTo(output);
        AddTo(output, 1, perSlot, stride, perGap, padded, keep: true);
        Clamp(output[..padded]);
    }

    /// <summary>One step towards a gap that ended (or was cut off) in the last of <paramref name="slots"/> slots.</summary>
    public void Learn(ReadOnlySpan<float> basis, ReadOnlySpan<float> perSlot, int stride, ReadOnlySpan<float> perGap, int slots, float lastWatched, bool ended, float weight, Span<float> output)
    {
        Forecast(basis, perSlot, stride, perGap, slots, output);
        for (var k = 0; k < slots; k++)
        {
            var width = k == slots - 1 ? lastWatched : SlotGrid.Widths[k];
            var mass = MathF.Exp(output[k]) * width;
            push[k] = weight * TiltedLoss.Weight(output[k]) * Math.Min(mass, 4);
        }

        if (ended)
        {
            push[slots - 1] -= weight * TiltedLoss.Weight(output[slots - 1]);
        }

        var padded = Padded(slots);
        push.AsSpan(slots, padded - slots).Clear();
        var back = push.AsSpan(0, padded);
        var linear = units * Row;
        Dots(back, perSlot, stride, gradient.AsSpan(linear, F));
        Spread(Sum(back), perGap, gradient.AsSpan(linear + F, G + 1));
        for (var u = 0; u < units; u++)
        {
            var own = u * Row;
            gradient[own + F + G + 1] += Gate(back, active.AsSpan(u * N, padded), weights[own + F + G + 1], pushed, out var sum);
            Dots(pushed.AsSpan(0, padded), perSlot, stride, gradient.AsSpan(own, F));
            Spread(sum, perGap, gradient.AsSpan(own + F, G + 1));
        }
    }

    /// <summary>Goes on with the mean of the weights of the last few hundred steps that were kept in mind, which generalises better than the last ones.</summary>
    public void Settle()
    {
        mean?.CopyTo(weights, 0);
        mean = null;
    }

    /// <summary>A step of training: <see cref="Step(float, float)"/>, and keeps the weights in mind for <see cref="Settle"/>.</summary>
    public void Train(float rate, float decay)
    {
        mean ??= [.. weights];
        Step(rate, decay);
        var by = Math.Max(0.002f, 1f / (steps + 1));
        for (var i = 0; i < weights.Length; i++)
        {
            mean[i] += by * (weights[i] - mean[i]);
        }
    }

    /// <summary>Moves the weights by what was learnt since the last call.</summary>
    public void Step(float rate, float decay)
    {
        steps++;
        var one = 1 - MathF.Pow(0.9f, steps);
        var two = 1 - MathF.Pow(0.999f, steps);
        for (var i = 0; i < weights.Length; i++)
        {
            var g = gradient[i];
            gradient[i] = 0;
            first[i] = 0.9f * first[i] + 0.1f * g;
            second[i] = 0.999f * second[i] + 0.001f * g * g;
            var linear = i >= units * Row;
            var rest = linear && i < units * Row + F ? Rest(i - units * Row) : 0;
            weights[i] -= rate * (first[i] / one / (MathF.Sqrt(second[i] / two) + 1e-6f) + decay * (weights[i] - rest));
        }
    }

    private static float Rest(int feature) => feature is 1 or 2 ? 1 : feature is 3 or 4 or 5 ? 0.5f : 0;

    // Two vectors of slots at a time: the sixteen rows' values are used by all units while they are near.
    private void AddTo(Span<float> output, float share, ReadOnlySpan<float> perSlot, int stride, ReadOnlySpan<float> perGap, int slots, bool keep)
    {
        for (var u = 0; u <= units; u++)
        {
            var row = weights.AsSpan(u * Row, F + G + 1);
            var sum = row[F + G];
            for (var i = 0; i < G; i++)
            {
                sum += row[F + i] * perGap[i];
            }

            bias[u] = sum;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan((F - 1) * stride + slots, perSlot.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(slots, output.Length);
        ref var values = ref MemoryMarshal.GetReference(perSlot);
        ref var target = ref MemoryMarshal.GetReference(output);
        ref var units0 = ref MemoryMarshal.GetArrayDataReference(active);
        ref var weight0 = ref MemoryMarshal.GetArrayDataReference(weights);
        for (var k = 0; k < slots; k += Block)
        {
            ref var here = ref Unsafe.Add(ref values, k);
            var (low, high) = Unit(ref here, stride, ref Unsafe.Add(ref weight0, units * Row), bias[units]);
            for (var u = 0; u < units; u++)
            {
                ref var own = ref Unsafe.Add(ref weight0, u * Row);
                var (a, b) = Unit(ref here, stride, ref own, bias[u]);
                if (keep)
                {
                    a.StoreUnsafe(ref units0, (nuint)(u * N + k));
                    b.StoreUnsafe(ref units0, (nuint)(u * N + k + 8));
                }

                var by = Vector256.Create(weights[u * Row + F + G + 1]);
                low = Vector256.MultiplyAddEstimate(by, Vector256.Max(a, Vector256<float>.Zero), low);
                high = Vector256.MultiplyAddEstimate(by, Vector256.Max(b, Vector256<float>.Zero), high);
            }

            (Vector256.LoadUnsafe(ref target, (nuint)k) + low * share).StoreUnsafe(ref target, (nuint)k);
            (Vector256.LoadUnsafe(ref target, (nuint)(k + 8)) + high * share).StoreUnsafe(ref target, (nuint)(k + 8));
        }
    }

    // Four sums, so that no multiplication waits for the one before.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Low, Vector256<float> High) Unit(ref float values, int stride, ref float weight, float bias)
    {
        var a = Vector256.Create(bias);
        var b = a;
        var c = Vector256<float>.Zero;
        var d = c;
        for (var i = 0; i < F; i += 2)
        {
            var at = (nuint)(i * stride);
            var w = Vector256.Create(Unsafe.Add(ref weight, i));
            var v = Vector256.Create(Unsafe.Add(ref weight, i + 1));
            a = Vector256.MultiplyAddEstimate(w, Vector256.LoadUnsafe(ref values, at), a);
            b = Vector256.MultiplyAddEstimate(w, Vector256.LoadUnsafe(ref values, at + 8), b);
            at += (nuint)stride;
            c = Vector256.MultiplyAddEstimate(v, Vector256.LoadUnsafe(ref values, at), c);
            d = Vector256.MultiplyAddEstimate(v, Vector256.LoadUnsafe(ref values, at + 8), d);
        }

        return (a + c, b + d);
    }

    private static void Clamp(Span<float> values)
    {
        for (var k = 0; k < values.Length; k++)
        {
            values[k] = Math.Clamp(values[k], -20f, 1f);
        }
    }

    // What reaches the units' inputs from the output; returns the output weight's own gradient.
    private static float Gate(ReadOnlySpan<float> back, ReadOnlySpan<float> unit, float by, Span<float> down, out float sum)
    {
        Vector256<float> own = default, all = default;
        ref var b0 = ref MemoryMarshal.GetReference(back);
        ref var u0 = ref MemoryMarshal.GetReference(unit);
        ref var d0 = ref MemoryMarshal.GetReference(down);
        for (var k = 0; k < unit.Length; k += Vector256<float>.Count)
        {
            var b = Vector256.LoadUnsafe(ref b0, (nuint)k);
            var u = Vector256.LoadUnsafe(ref u0, (nuint)k);
            var on = Vector256.GreaterThan(u, Vector256<float>.Zero);
            own += (u * b) & on;
            var d = (b * by) & on;
            d.StoreUnsafe(ref d0, (nuint)k);
            all += d;
        }

        sum = Vector256.Sum(all);
        return Vector256.Sum(own);
    }

    private static void Dots(ReadOnlySpan<float> down, ReadOnlySpan<float> perSlot, int stride, Span<float> into)
    {
        ref var d0 = ref MemoryMarshal.GetReference(down);
        ref var v0 = ref MemoryMarshal.GetReference(perSlot);
        for (var i = 0; i < F; i += 4)
        {
            Vector256<float> a = default, b = default, c = default, d = default;
            for (var k = 0; k < down.Length; k += Vector256<float>.Count)
            {
                var x = Vector256.LoadUnsafe(ref d0, (nuint)k);
                var at = (nuint)(i * stride + k);
                a = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref v0, at), a);
                b = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref v0, at + (nuint)stride), b);
                c = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref v0, at + 2 * (nuint)stride), c);
                d = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref v0, at + 3 * (nuint)stride), d);
            }

            into[i] += Vector256.Sum(a);
            into[i + 1] += Vector256.Sum(b);
            into[i + 2] += Vector256.Sum(c);
            into[i + 3] += Vector256.Sum(d);
        }
    }

    // Gradients of the weights by gap and of the bias.
    private static void Spread(float sum, ReadOnlySpan<float> perGap, Span<float> into)
    {
        for (var i = 0; i < G; i++)
        {
            into[i] += sum * perGap[i];
        }

        into[G] += sum;
    }

    private static float Sum(ReadOnlySpan<float> a)
    {
        float sum = 0;
        foreach (var x in a)
        {
            sum += x;
        }

        return sum;
    }
}
