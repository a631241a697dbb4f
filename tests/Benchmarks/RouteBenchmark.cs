using BenchmarkDotNet.Attributes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;

namespace Prewarm.Tests.Benchmarks;

/// <summary>What the relay's memory costs with few models and with many: one request's look-ups, and a snapshot made anew because one of the models has changed.</summary>
[MemoryDiagnoser]
public class RouteBenchmark
{
    private static readonly RelayOutcome.InBody s_asked = new("/openai/v1/completions", true);
    private readonly ScaleBoard _board = new(TimeProvider.System);
    private CachedModel[] _models = null!;
    private CatalogSnapshot _catalog = null!;
    private string _name = "";
    private string _target = "";
    private string _address = "";

    [Params(20, 10_000)]
    public int Models { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        _models = [.. Enumerable.Range(0, Models).Select(i => new CachedModel
        {
            Metadata = new() { Namespace = $"team-{i % 50}", Name = $"model-{i}" },
            Spec = new(),
            Status = new() { Version = "v1", Url = $"http://model-{i}.team-{i % 50}.example.com", Phase = "Serving" },
        })];
        _catalog = new(_models);
        _board.Take(_models);
        var asked = _models[Models / 2];
        _name = asked.ModelName();
        _target = $"/v1/models/{_name}:predict";
        _address = $"/models/{asked.Key()}/v1/models/{_name}:predict";
    }

    [Benchmark]
    public object ByName() => RelayRouter.Route(_catalog, "POST", _target);

    [Benchmark]
    public object ByAddress() => RelayRouter.Route(_catalog, "POST", _address);

    [Benchmark]
    public object ByBody() => RelayRouter.ByBody(_catalog, _name, s_asked);

    [Benchmark]
    public object Scale() => _board.Of(_models[Models / 2].Key());

    [Benchmark]
    public object Snapshot() => new CatalogSnapshot(_models);
}
