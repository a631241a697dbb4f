using System.Globalization;
using BenchmarkDotNet.Attributes;
using Prewarm.Functions.Pipeline;
using Prewarm.Tests.Unit.Pipeline;

namespace Prewarm.Tests.Benchmarks;

/// <summary>One look's decision about one model, its status included.</summary>
[MemoryDiagnoser]
public class PlannerBenchmark
{
    private LineWorld _world = null!;
    private Observed _observed = null!;

    /// <value>Versions that the prefix and the status hold.</value>
    [Params(1, 3, 20)]
    public int Versions { get; set; }

    /// <value>uploaded: the newest has just become complete; serving: nothing has changed, which is what nearly every look finds.</value>
    [Params("uploaded", "serving")]
    public string Newest { get; set; } = "";

    [GlobalSetup]
    public void Serve()
    {
        _world = new();
        for (var i = 1; i <= Versions; i++)
        {
            var version = $"v{i.ToString(CultureInfo.InvariantCulture)}";
            if (i == Versions && Newest == "uploaded")
            {
                _world.Upload(version);
            }
            else
            {
                _world.Serve(version);
            }
        }

        _observed = _world.Observe();
    }

    [Benchmark]
    public object Settle() => LinePlanner.Settle(_observed, _world.Now);
}
