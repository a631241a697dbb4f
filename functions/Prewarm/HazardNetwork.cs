using System.Numerics;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// The pooled regression that weighs the experts: log hazard rate of a slot = the pooled law's + a linear part + a layer of rectified units over
/// the features. Learned by maximum likelihood of the gaps (a Poisson process within each slot) with Adam.
/// Untrained it is the service's own shrunk law.
/// </summary>
internal sealed class HazardNetwork
{
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
    private readonly float[] push = new float[N];
    private readonly float[] pushed = new float[N];
    private long steps;

    public HazardNetwork(int units, int seed)
    {
        this.units = units;
        var length = units * Row + F + G + 1;
        weights = new float[length];
        gradient = new float[length];
        first = new float[length];
        second = new float[length];
        active = new float[units * N];
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

    /// <summary>Writes the log hazard rates (per second) of the first <paramref name="slots"/> slots.</summary>
    public void Forecast(ReadOnlySpan<float> basis, ReadOnlySpan<float> perSlot, int stride, ReadOnlySpan<float> perGap, int slots, Span<float> output)
    {
        var linear = units * Row;
        var constant = weights[linear + F + G];
        for (var i = 0; i < G; i++)
        {
            constant += weights[linear + F + i] * perGap[i];
        }

        for (var k = 0; k < slots; k++)
        {
            output[k] = basis[k] + constant;
        }

        for (var i = 0; i < F; i++)
        {
            AddScaled(output[..slots], perSlot.Slice(i * stride, slots), weights[linear + i]);
        }

        for (var u = 0; u < units; u++)
        {
            var own = u * Row;
            var bias = weights[own + F + G];
            for (var i = 0; i < G; i++)
            {
                bias += weights[own + F + i] * perGap[i];
            }

            var unit = active.AsSpan(u * N, slots);
            unit.Fill(bias);
            for (var i = 0; i < F; i++)
            {
                AddScaled(unit, perSlot.Slice(i * stride, slots), weights[own + i]);
            }

            AddRectified(output[..slots], unit, weights[own + F + G + 1]);
        }

        for (var k = 0; k < slots; k++)
        {
            output[k] = Math.Clamp(output[k], -20f, 1f);
        }
    }

    /// <summary>One step towards a gap that ended (or was cut off) in the last of <paramref name="slots"/> slots; returns its loss before.</summary>
    public double Learn(ReadOnlySpan<float> basis, ReadOnlySpan<float> perSlot, int stride, ReadOnlySpan<float> perGap, int slots, float lastWatched, bool ended, float weight, Span<float> output)
    {
        Forecast(basis, perSlot, stride, perGap, slots, output);
        double loss = 0;
        for (var k = 0; k < slots; k++)
        {
            var width = k == slots - 1 ? lastWatched : SlotGrid.Widths[k];
            var mass = MathF.Exp(output[k]) * width;
            loss += mass;
            push[k] = weight * Math.Min(mass, 4);
        }

        if (ended)
        {
            loss -= output[slots - 1];
            push[slots - 1] -= weight;
        }

        var back = push.AsSpan(0, slots);
        var linear = units * Row;
        var all = Sum(back);
        for (var i = 0; i < F; i++)
        {
            gradient[linear + i] += Dot(back, perSlot.Slice(i * stride, slots));
        }

        for (var i = 0; i < G; i++)
        {
            gradient[linear + F + i] += all * perGap[i];
        }

        gradient[linear + F + G] += all;
        for (var u = 0; u < units; u++)
        {
            var own = u * Row;
            var unit = active.AsSpan(u * N, slots);
            var down = pushed.AsSpan(0, slots);
            var outWeight = weights[own + F + G + 1];
            float outGradient = 0, sum = 0;
            for (var k = 0; k < slots; k++)
            {
                var on = unit[k] > 0;
                outGradient += on ? unit[k] * back[k] : 0;
                down[k] = on ? back[k] * outWeight : 0;
                sum += down[k];
            }

            gradient[own + F + G + 1] += outGradient;
            gradient[own + F + G] += sum;
            for (var i = 0; i < F; i++)
            {
                gradient[own + i] += Dot(down, perSlot.Slice(i * stride, slots));
            }

            for (var i = 0; i < G; i++)
            {
                gradient[own + F + i] += sum * perGap[i];
            }
        }

        return loss * weight;
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

    private static void AddScaled(Span<float> target, ReadOnlySpan<float> values, float by)
    {
        var k = 0;
        var scale = new Vector<float>(by);
        for (; k <= target.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            (new Vector<float>(target[k..]) + scale * new Vector<float>(values[k..])).CopyTo(target[k..]);
        }

        for (; k < target.Length; k++)
        {
            target[k] += by * values[k];
        }
    }

    private static void AddRectified(Span<float> target, ReadOnlySpan<float> values, float by)
    {
        var k = 0;
        var scale = new Vector<float>(by);
        for (; k <= target.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            (new Vector<float>(target[k..]) + scale * Vector.Max(new Vector<float>(values[k..]), Vector<float>.Zero)).CopyTo(target[k..]);
        }

        for (; k < target.Length; k++)
        {
            target[k] += by * Math.Max(values[k], 0);
        }
    }

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = Vector<float>.Zero;
        var k = 0;
        for (; k <= a.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            sum += new Vector<float>(a[k..]) * new Vector<float>(b[k..]);
        }

        var rest = Vector.Sum(sum);
        for (; k < a.Length; k++)
        {
            rest += a[k] * b[k];
        }

        return rest;
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
