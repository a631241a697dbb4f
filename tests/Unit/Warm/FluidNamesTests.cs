using System.Text.Json.Nodes;
using CsCheck;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Fluid;
using Xunit;

namespace Prewarm.Tests.Unit.Warm;

public class FluidNamesTests
{
    private static readonly Gen<string> ModelName = Gen.Char["abcxyz019.-"].Array[1, 63].Select(c => new string(c));
    private static readonly Gen<string> Digest = Gen.Char["0123456789abcdef"].Array[32].Select(c => new string(c));

    [Fact]
    public void Dataset_AnyModel_IsDns1035WithinFluidsLimits() => Gen.Select(ModelName, Digest).Sample((model, digest) =>
    {
        var name = FluidNames.Dataset(model, digest);
        Assert.Matches("^[a-z][a-z0-9-]*[a-z0-9]$", name);
        Assert.True(name.Length <= FluidNames.MaxDatasetName, name);
        Assert.True(FluidNames.DataLoad(name).Length <= FluidNames.MaxDataLoadName, name);
    });

    [Fact]
    public void Dataset_DifferentModels_DifferentNames() => Gen.Select(ModelName, ModelName, Digest).Sample((a, b, digest) =>
        Assert.Equal(a == b, FluidNames.Dataset(a, digest) == FluidNames.Dataset(b, digest)));

    /// <summary>The prefix counts: "fluid.io/s-" has 11 characters, so 51 of namespace, hyphen and name are the most.</summary>
    [Theory]
    [InlineData(50, false)]
    [InlineData(51, false)]
    [InlineData(52, true)]
    [InlineData(60, true)]
    public void WorkerLabel_FromSixtyThreeCharactersOfTheWholeKey_NamesTheUid(int names, bool uid)
    {
        var dataset = new string('d', 37);
        var ns = new string('n', names - 1 - dataset.Length);
        Assert.Equal(uid ? "fluid.io/s-0b6e" : $"fluid.io/s-{ns}-{dataset}", FluidNames.WorkerLabel(ns, dataset, "0b6e"));
        Assert.Equal($"fluid.io/s-{ns}-{dataset}", FluidNames.WorkerLabel(ns, dataset, null));
    }

    /// <summary>The miniature writes them as Fluid does, from its own reading of the source.</summary>
    [Fact]
    public void WorkerLabel_OfAnyNames_IsWhatTheMiniatureWrites() => Gen.Select(Gen.Int[1, 63], Gen.Int[1, FluidNames.MaxDatasetName]).Sample((ns, name) =>
    {
        var (space, dataset) = (new string('n', ns), new string('d', name));
        var made = new JsonObject { ["metadata"] = new JsonObject { ["namespace"] = space, ["name"] = dataset, ["uid"] = "0b6e" } };
        Assert.Equal(FluidLabels.Worker(made), FluidNames.WorkerLabel(space, dataset, "0b6e"));
    });
}

public class WarmthVerdictTests
{
    private static Dataset Cached(string cached) => new() { Metadata = new() { Name = "d" }, Status = new() { Phase = "Bound", CacheStates = new() { ["cached"] = cached } } };

    private static readonly JindoRuntime Ready = new() { Status = new() { WorkerPhase = "Ready" } };
    private static readonly DataLoad Complete = new() { Status = new() { Phase = "Complete" } };

    [Theory]
    [InlineData("2.00GiB", Warmth.Warm)]
    [InlineData("1.98GiB", Warmth.Warm)]
    [InlineData("1.90GiB", Warmth.Partial)]
    [InlineData("0.00B", Warmth.Cold)]
    [InlineData("[Calculating]", Warmth.Unknown)]
    public void Of_CompleteLoadOfOneGiBInTwoCopies_BytesDecide(string cached, object expected) =>
        Assert.Equal((Warmth)expected, WarmthVerdict.Of(Cached(cached), Ready, Complete, 1L << 30, 2).Warmth);

    [Fact]
    public void Of_LoadStillExecuting_NeverWarm() =>
        Assert.Equal(Warmth.Partial, WarmthVerdict.Of(Cached("2.00GiB"), Ready, new() { Status = new() { Phase = "Executing" } }, 1L << 30, 2).Warmth);

    [Fact]
    public void Of_WorkersNotReady_NeverWarm() =>
        Assert.Equal(Warmth.Partial, WarmthVerdict.Of(Cached("2.00GiB"), new() { Status = new() { WorkerPhase = "PartialReady" } }, Complete, 1L << 30, 2).Warmth);
}
