namespace Prewarm.Functions.Prewarm;

/// <summary>The fixed grid on which the next gap's hazards live: 10 s wide at first, 4 h at its end of 89 h, and narrow again around one day, two and three. All in seconds after an arrival.</summary>
internal static class SlotGrid
{
    /// <summary>Slots, a multiple of the vector widths in use.</summary>
    public const int Count = 176;

    /// <summary>Slots of the coarse grid, each a run of fine ones.</summary>
    public const int CoarseCount = 48;

    /// <summary><see cref="Count"/> + 1 edges.</summary>
    public static readonly float[] Edges = MakeEdges();

    /// <summary>Length of each slot.</summary>
    public static readonly float[] Widths = [.. Enumerable.Range(0, Count).Select(k => Edges[k + 1] - Edges[k])];

    /// <summary>Geometric middle of each slot (the first: half).</summary>
    public static readonly float[] Middles = [.. Enumerable.Range(0, Count).Select(k => k == 0 ? 5 : MathF.Sqrt(Edges[k] * Edges[k + 1]))];

    /// <summary>The coarse slot of each fine one.</summary>
    public static readonly byte[] Coarse = MakeCoarse();

    /// <summary>First fine slot of each coarse one, and one more for the end.</summary>
    public static readonly int[] CoarseStart = [.. Enumerable.Range(0, CoarseCount + 1).Select(c => c == CoarseCount ? Count : Array.FindIndex(Coarse, b => b >= c) is >= 0 and var k ? k : Count)];

    private static readonly byte[] ByTenSeconds = MakeIndex(10, 3600);
    private static readonly byte[] ByFiveMinutes = MakeIndex(300, (int)Edges[Count]);

    /// <summary>The slot a gap falls into; <see cref="Count"/> beyond the grid.</summary>
    public static int Find(double gap)
    {
        if (gap >= Edges[Count])
        {
            return Count;
        }

        return gap < 3600 ? ByTenSeconds[(int)(gap / 10)] : ByFiveMinutesFind(gap);
    }

    private static int ByFiveMinutesFind(double gap)
    {
        int k = ByFiveMinutes[(int)(gap / 300)];
        while (gap >= Edges[k + 1])
        {
            k++;
        }

        return k;
    }

    private static float[] MakeEdges()
    {
        var edges = new List<float> { 0 };
        Fill(10, 60);
        Fill(30, 300);
        Fill(60, 1800);
        Fill(120, 3600);
        Fill(180, 7200);
        Fill(300, 14400);
        Fill(900, 28800);
        Fill(1800, 57600);
        Fill(3600, 82800);

        // What is called once a day comes back after a day, two, or a weekend: narrow there, wider between.
        Fill(900, 84600);
        Fill(600, 85800);
        Fill(300, 87000);
        Fill(600, 88200);
        Fill(900, 90000);
        Fill(1800, 93600);
        Fill(10800, 169200);
        Fill(1800, 176400);
        Fill(13200, 255600);
        Fill(1800, 262800);
        while (edges.Count < Count + 1)
        {
            edges.Add(edges[^1] + 14400);
        }

        return [.. edges];

        void Fill(float step, float until)
        {
            while (edges[^1] < until)
            {
                edges.Add(edges[^1] + step);
            }
        }
    }

    private static byte[] MakeCoarse()
    {
        var coarse = new byte[Count];
        var ratio = Math.Pow(Edges[Count] / 10.0, 1.0 / (CoarseCount - 2));
        int current = 0;
        double next = 10;
        for (var k = 1; k < Count; k++)
        {
            if (Edges[k] >= next - 1e-3 && current < CoarseCount - 1)
            {
                current++;
                next = Edges[k] * ratio;
            }

            coarse[k] = (byte)current;
        }

        return coarse;
    }

    private static byte[] MakeIndex(int step, int until)
    {
        var index = new byte[(until + step - 1) / step];
        for (var i = 0; i < index.Length; i++)
        {
            var k = 0;
            while (Edges[k + 1] <= i * step)
            {
                k++;
            }

            index[i] = (byte)k;
        }

        return index;
    }
}
