using System.Text;
using CsCheck;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.Upload;

public class UploadPlannerTests
{
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private const string Index = """{"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}}""";

    private static readonly Gen<StoredObject> AnyObject =
        Gen.Select(Gen.Int[0, 40], Gen.Long[0, 5], Gen.Int[0, 9], Gen.Int[0, 120],
            (key, size, etag, at) => new StoredObject($"m/v{key % 3}/f{key}", size, $"e{etag}", T0.AddSeconds(at)));

    private static readonly Gen<StoredObject[]> Listing =
        AnyObject.Array[1, 20].Select(all => all.DistinctBy(o => o.Key).ToArray());

    private static StoredObject At(string key, int second = 0, long size = 7) => new(key, size, "e", T0.AddSeconds(second));

    private static UploadedVersion One(StoredObject[] files, int second, string when = "Auto", OpenUpload[]? open = null, params (string, string)[] content) =>
        Assert.Single(Verdicts.Of(
            new() { Complete = new() { When = when } }, "m/", files, open ?? [],
            key => content.FirstOrDefault(c => c.Item1 == key) is (not null, var text) ? Encoding.UTF8.GetBytes(text) : null, T0.AddSeconds(second)));

    [Theory]
    [InlineData("Auto", 60, "m/v1/_SUCCESS", 0)]
    [InlineData("Auto", 60, "m/v1/manifest.json", 0)]
    [InlineData("Auto", 60, "m/v1/model.safetensors", 2)]
    [InlineData("Auto", 60, "m/v1/my_SUCCESS", 2)]
    [InlineData("Auto", 1, "m/v1/model.safetensors", 1)]
    [InlineData("Auto", 0, "m/v1/model.safetensors", 0)]
    [InlineData("Marker", 0, "m/v1/model.safetensors", 2)]
    [InlineData("Marker", 0, "_SUCCESS", 0)]
    [InlineData("Manifest", 60, "m/v1/model.safetensors", 0)]
    [InlineData("Quiet", 60, "m/v1/_SUCCESS", 2)]
    public void Patience_NeverLongerThanWhatIsQuietAnyway_AndNoneForWhatCompletes(string when, int quiet, string key, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), UploadPlanner.Patience(new() { When = when, QuietSeconds = quiet }, key));

    [Fact]
    public void Auto_AFileOfTheRootIsStillOnItsWay_IsFlat()
    {
        var version = One([At("m/tokenizer/vocab.json")], 3600, open: [new("m/model.safetensors", T0.AddSeconds(3500))]);
        Assert.Equal((UploadPlanner.FlatName, "MultipartOpen"), (version.Name, version.Reason));
    }

    [Fact]
    public void Digest_AnyOrder_IsTheSame() =>
        Listing.Sample(l => Assert.Equal(UploadDigest.Of(l), UploadDigest.Of(l.Reverse())));

    [Fact]
    public void Digest_AnyChange_Differs() =>
        Gen.Select(Listing, Gen.Int[0, 1000]).Sample((l, n) =>
        {
            var i = n % l.Length;
            var before = UploadDigest.Of(l);
            Assert.Equal(32, before.Length);
            foreach (var changed in new[] { l[i] with { Key = l[i].Key + "x" }, l[i] with { Size = l[i].Size + 1 }, l[i] with { ETag = "other" } })
            {
                Assert.NotEqual(before, UploadDigest.Of([.. l[..i], changed, .. l[(i + 1)..]]));
            }

            Assert.NotEqual(before, UploadDigest.Of([.. l[..i], .. l[(i + 1)..]]));
            Assert.Equal(before, UploadDigest.Of([.. l[..i], l[i] with { ETag = $"\"{l[i].ETag.ToUpperInvariant()}\"" }, .. l[(i + 1)..]]));
        });

    [Fact]
    public void Plan_LaterOrReordered_StaysComplete() =>
        Gen.Select(Listing, Gen.Int[0, 300], Gen.Int[0, 300]).Sample((l, at, more) =>
        {
            var source = new SourceSpec();
            var now = Verdicts.Of(source, "m/", l, [], _ => null, T0.AddSeconds(at));
            Assert.Equal(now, Verdicts.Of(source, "m/", [.. l.Reverse()], [], _ => null, T0.AddSeconds(at)));
            var later = Verdicts.Of(source, "m/", l, [], _ => null, T0.AddSeconds(at + more));
            Assert.All(now.Zip(later), p => Assert.True(!p.First.Complete || p.Second.Complete));
        });

    [Fact]
    public void Auto_FileDirectlyUnderPrefix_IsFlat()
    {
        var flat = One([At("m/config.json"), At("m/sub/x")], 0);
        Assert.Equal(("flat", "m/", 2), (flat.Name, flat.Prefix, flat.Files));
    }

    [Fact]
    public void Auto_OnlyFolders_EachIsAVersion()
    {
        var versions = Verdicts.Of(new(), "m/", [At("m/"), At("m/v1/"), At("m/v1/a"), At("m/v2/b"), At("m/v3/")], [], _ => null, T0);
        Assert.Equal(["v1", "v2"], versions.Select(v => v.Name));
    }

    [Fact]
    public void Index_MissingShard_NamesItThenStalls()
    {
        StoredObject[] files = [At("m/v/x.index.json"), At("m/v/s1.safetensors"), At("m/v/s2.safetensors", size: 0)];
        var waiting = One(files, 100, content: ("m/v/x.index.json", Index));
        Assert.Equal(("MissingFiles", false, T0.AddHours(1)), (waiting.Reason, waiting.Stalled, waiting.NextLook));
        Assert.Contains("m/v/s2.safetensors", waiting.Message, StringComparison.Ordinal);
        Assert.True(One(files, 3600, content: ("m/v/x.index.json", Index)).Stalled);
    }

    [Fact]
    public void Index_AllShards_CompleteAfterShortQuiet()
    {
        StoredObject[] files = [At("m/v/x.index.json"), At("m/v/s1.safetensors"), At("m/v/s2.safetensors", 5)];
        var early = One(files, 14, content: ("m/v/x.index.json", Index));
        Assert.Equal(("NotQuietYet", T0.AddSeconds(15)), (early.Reason, early.NextLook));
        Assert.Equal("IndexSatisfied", One(files, 15, content: ("m/v/x.index.json", Index)).Reason);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../s1"}}""")]
    [InlineData("""{"weight_map":{}}""")]
    [InlineData("{")]
    [InlineData("[]")]
    public void Index_Faulty_IsRefused(string index) =>
        Assert.True(One([At("m/v/x.index.json")], 9999, content: ("m/v/x.index.json", index)) is { Refused: true, Complete: false });

    [Theory]
    [InlineData("m/v/a b")]
    [InlineData("m/v/a:b")]
    [InlineData("m/v/a*")]
    [InlineData("m/v/-a")]
    [InlineData("m/v/a\u0001")]
    public void Key_FluidWouldMangle_IsRefused(string key) =>
        Assert.True(One([At(key)], 9999) is { Refused: true, Complete: false, Reason: "UnusableKey" });

    [Fact]
    public void Marker_NewerThanEveryFile_CompletesAtOnceWithoutChangingTheDigest()
    {
        var without = One([At("m/v/a", 3)], 3);
        var with = One([At("m/v/a", 3), At("m/v/_SUCCESS", 3, 0)], 3);
        Assert.Equal(("MarkerPresent", true, without.Digest), (with.Reason, with.Complete, with.Digest));
        Assert.Equal("MarkerMissing", One([At("m/v/a", 3), At("m/v/_SUCCESS", 2, 0)], 999, "Marker").Reason);
        Assert.False(One([At("m/v/_SUCCESS")], 9999).Complete);
    }

    [Fact]
    public void Manifest_SizesDecide()
    {
        const string manifest = """{"files":[{"path":"a","size":7}]}""";
        Assert.True(One([At("m/v/manifest.json"), At("m/v/a")], 0, content: ("m/v/manifest.json", manifest)).Complete);
        Assert.Equal("MissingFiles", One([At("m/v/manifest.json"), At("m/v/a", size: 8)], 99, content: ("m/v/manifest.json", manifest)).Reason);
    }

    [Fact]
    public void Multipart_Open_HoldsEvenAMarkerUntilTheStallLimit()
    {
        StoredObject[] files = [At("m/v/a"), At("m/v/_SUCCESS", 1)];
        var held = One(files, 3599, open: [new("m/v/b", T0)]);
        Assert.Equal(("MultipartOpen", T0.AddHours(1)), (held.Reason, held.NextLook));
        Assert.True(One(files, 3600, open: [new("m/v/b", T0)]).Complete);
    }

    [Theory]
    [InlineData("oss-cn-hangzhou-internal.aliyuncs.com", "https://s3.oss-cn-hangzhou-internal.aliyuncs.com", "cn-hangzhou", false)]
    [InlineData("https://s3.oss-eu-central-1.aliyuncs.com", "https://s3.oss-eu-central-1.aliyuncs.com", "eu-central-1", false)]
    [InlineData("http://127.0.0.1:9000", "http://127.0.0.1:9000", "us-east-1", true)]
    [InlineData("https://localhost:9000/", "https://localhost:9000", "us-east-1", true)]
    public void Endpoint_OfAnyStore_GivesTheSettings(string endpoint, string url, string region, bool pathStyle) =>
        Assert.Equal(new StoreEndpoint(url, region, pathStyle), StoreEndpoint.Parse(endpoint));
}
