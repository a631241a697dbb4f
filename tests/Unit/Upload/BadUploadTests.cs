using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.Upload;

/// <summary>Uploads that cannot work as they are: refused or waited for, and what is said about them.</summary>
public sealed class BadUploadTests
{
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("{", "m/v/x.index.json is not readable JSON")]
    [InlineData("", "m/v/x.index.json is not readable JSON")]
    [InlineData("[]", "m/v/x.index.json is not a JSON object")]
    [InlineData("""{"weight_map":[]}""", "m/v/x.index.json has no weight_map")]
    [InlineData("""{"weight_map":{}}""", "m/v/x.index.json has an empty weight_map")]
    [InlineData("""{"weight_map":{"a":7}}""", "m/v/x.index.json: the weight_map entry a is not a file name")]
    [InlineData("""{"weight_map":{"a":"x"},"weight_map":{"a":"y"}}""", "m/v/x.index.json is not readable JSON")]
    [InlineData("""{"weight_map":{"a":"x","a":"y"}}""", "m/v/x.index.json is not readable JSON")]
    [InlineData("""{"weight_map":{"a":"\ud800"}}""", "m/v/x.index.json is not readable JSON")]
    [InlineData("""{"weight_map":{"a":"../x"}}""", "m/v/x.index.json names \"../x\", which lies outside its folder")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "m/v/x.index.json names \"/etc/passwd\", which lies outside its folder")]
    [InlineData("""{"weight_map":{"a":"https://evil.example/x"}}""", "m/v/x.index.json names \"https://evil.example/x\", which lies outside its folder")]
    [InlineData("""{"weight_map":{"a":"b\\c"}}""", "m/v/x.index.json names \"b\\c\", which lies outside its folder")]
    [InlineData("""{"weight_map":{"a":"a b"}}""", "m/v/x.index.json names \"a b\", which holds a blank, and Fluid cannot load that")]
    [InlineData("""{"weight_map":{"a":"s3:x"}}""", "m/v/x.index.json names \"s3:x\", which holds ':', and Fluid cannot load that")]
    public void Index_ThatCannotWork_IsRefusedAndSaysWhy(string index, string message) =>
        Refused("MalformedIndex", message, One([At("x.index.json", index.Length)], ("x.index.json", index)));

    [Fact]
    public void Index_NestedDeep_IsRefused()
    {
        var index = string.Concat(Enumerable.Repeat("{\"weight_map\":", 5000)) + "1" + new string('}', 5000);
        Refused("MalformedIndex", "m/v/x.index.json is not readable JSON", One([At("x.index.json", index.Length)], ("x.index.json", index)));
    }

    [Theory]
    [InlineData(1, 17L << 20, "m/v/x0.index.json is larger than 16777216 bytes")]
    [InlineData(17, 10, "there are 17 indexes, more than 16")]
    [InlineData(3, 15L << 20, "the indexes are together larger than 33554432 bytes")]
    public void Indexes_TooLargeOrTooMany_AreRefusedUnread(int count, long size, string message)
    {
        StoredObject[] files = [.. Enumerable.Range(0, count).Select(i => At($"x{i}.index.json", size))];
        Assert.Empty(Verdicts.Split(new(), "m/", files, []).SelectMany(v => UploadPlanner.Documents(new(), v)));
        Refused("MalformedIndex", message, One(files));
    }

    [Fact]
    public void Index_TenThousandShards_CompleteAndMissingAreToldInBoundedTime()
    {
        var names = Enumerable.Range(1, 10_000).Select(i => $"model-{i:00000}-of-10000.safetensors").ToList();
        var map = new JsonObject();
        names.ForEach(n => map[$"layer.{n}.weight"] = n);
        var index = new JsonObject { ["weight_map"] = map }.ToJsonString();
        StoredObject[] all = [At("x.index.json", index.Length), .. names.Select(n => At(n, 7))];
        var began = TimeProvider.System.GetTimestamp();
        Assert.Equal("IndexSatisfied", One(all, ("x.index.json", index)).Reason);
        var missing = One([.. all.Take(5001)], ("x.index.json", index));
        var took = TimeProvider.System.GetElapsedTime(began);
        Assert.Equal("MissingFiles", missing.Reason);
        Assert.Equal("missing: " + string.Join(", ", names.Skip(5000).Take(5).Select(n => $"m/v/{n}")) + " and 4995 more", missing.Message);
        Assert.True(took < TimeSpan.FromSeconds(5), $"{took.TotalSeconds} s");
    }

    [Fact]
    public void Shards_OfZeroBytes_AreWaitedForAndNamed()
    {
        const string index = """{"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"3.safetensors"}}""";
        var waiting = One([At("x.index.json", 9), At("1.safetensors", 0), At("2.safetensors", 7)], ("x.index.json", index));
        Assert.Equal(("MissingFiles", "missing: m/v/3.safetensors; empty: m/v/1.safetensors", false, false), (waiting.Reason, waiting.Message, waiting.Complete, waiting.Refused));
    }

    [Theory]
    [InlineData("Auto", false)]
    [InlineData("Quiet", false)]
    [InlineData("Auto", true)]
    [InlineData("Marker", true)]
    public void Shards_OfZeroBytes_WithoutAnIndex_CompleteNothing(string when, bool marker)
    {
        StoredObject[] files = [At("config.json", 7), At("model.safetensors", 0), .. marker ? [At("_SUCCESS", 0)] : Array.Empty<StoredObject>()];
        var waiting = Assert.Single(Verdicts.Of(new() { Complete = new() { When = when } }, "m/", files, [], _ => null, T0.AddSeconds(999)));
        Assert.Equal(("EmptyFiles", "empty: m/v/model.safetensors: upload again", false), (waiting.Reason, waiting.Message, waiting.Complete));
        Assert.True(Assert.Single(Verdicts.Of(new() { Complete = new() { When = when } }, "m/", files, [], _ => null, T0.AddHours(2))).Stalled);
    }

    [Theory]
    [InlineData("{", "m/v/manifest.json is not readable JSON")]
    [InlineData("""{"files":[{"path":"a"}]}""", "m/v/manifest.json: every file needs a path and a size in bytes")]
    [InlineData("""{"files":[{"path":"a","size":"7"}]}""", "m/v/manifest.json: every file needs a path and a size in bytes")]
    [InlineData("""{"files":[{"path":"a","size":1e99}]}""", "m/v/manifest.json: every file needs a path and a size in bytes")]
    [InlineData("""{"files":[{"path":"a","size":-1}]}""", "m/v/manifest.json gives \"a\" the size -1")]
    [InlineData("""{"files":[{"path":"a","size":1},{"path":"a","size":2}]}""", "m/v/manifest.json names \"a\" twice, with two sizes")]
    [InlineData("""{"files":[{"path":"a/../../b","size":1}]}""", "m/v/manifest.json names \"a/../../b\", which lies outside its folder")]
    public void Manifest_ThatCannotWork_IsRefusedAndSaysWhy(string manifest, string message) =>
        Refused("MalformedManifest", message, One([At("manifest.json", manifest.Length), At("a", 1)], ("manifest.json", manifest)));

    [Theory]
    [InlineData("", "golden.jsonl has no lines: write 1 to 100, or leave the file out")]
    [InlineData("\n \n", "golden.jsonl has no lines: write 1 to 100, or leave the file out")]
    [InlineData("nonsense", "golden.jsonl line 1 is not readable JSON")]
    [InlineData("""{"request":{},"request":{},"expect":1}""", "golden.jsonl line 1 is not readable JSON")]
    [InlineData("""{"request":{},"expect":"\ud800"}""", "golden.jsonl line 1 is not readable JSON")]
    [InlineData("""{"request":{}}""", "golden.jsonl line 1 is not {\"request\": …, \"expect\": …}")]
    [InlineData("[1]", "golden.jsonl line 1 is not {\"request\": …, \"expect\": …}")]
    [InlineData("""{"request":{},"expect":1,"path":7}""", "golden.jsonl line 1 has the path 7: write one that begins with a single '/'")]
    [InlineData("""{"request":{},"expect":1,"path":"http://169.254.169.254/latest"}""", "golden.jsonl line 1 has the path \"http://169.254.169.254/latest\": write one")]
    [InlineData("""{"request":{},"expect":1,"path":"//evil.example/x"}""", "golden.jsonl line 1 has the path \"//evil.example/x\": write one")]
    [InlineData("{\"request\":{},\"expect\":1}\n{\"request\":{}}", "golden.jsonl line 2 is not")]
    public void Golden_ThatCannotBeAsked_IsRefusedBeforeAnyRevision(string golden, string message) =>
        Refused("MalformedGolden", message, One([At("a", 1), At("golden.jsonl", golden.Length)], ("golden.jsonl", golden)));

    [Fact]
    public void Golden_TooLargeOrTooLongOrNoText_IsRefused()
    {
        Refused("MalformedIndex", "golden.jsonl is larger than 1048576 bytes", One([At("golden.jsonl", 2 << 20)]));
        Assert.Equal("golden.jsonl has more than 100 lines: leave some out", GoldenFile.Read(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"request\":1,\"expect\":1}\n", 101)))).Fault);
        Assert.Equal("golden.jsonl is not UTF-8", GoldenFile.Read([0xff, 0xfe]).Fault);
        Assert.Null(GoldenFile.Read(Encoding.UTF8.GetBytes("\uFEFF{\"request\":1,\"expected\":1,\"path\":\"/v2/models/m/infer?a=b\"}\r\n")).Fault);
    }

    [Fact]
    public void Keys_FluidWouldMangle_AreListedWithTheirReasonsUpToFive()
    {
        string[] bad = ["a b", "a:b", "a*", "a?", "[a]", "-a", "sub/-a", "a\u0001", "a\u00a0b", "a//b"];
        var verdict = One([.. bad.Select(k => At(k, 1)), At("fine+%41&(1)'模型", 1)]);
        Refused("UnusableKey", "Fluid cannot load 10 of 11 keys: ", verdict);
        Assert.Contains("\"m/v/-a\" has a name that begins with '-', ", verdict.Message, StringComparison.Ordinal);
        Assert.EndsWith(" and 5 more: upload under other names", verdict.Message, StringComparison.Ordinal);
        Assert.All(bad, k => Assert.Equal("UnusableKey", One([At(k, 1)]).Reason));
        Assert.Contains("a\\u0001", One([At("a\u0001", 1)]).Message, StringComparison.Ordinal);
        Assert.NotEqual("UnusableKey", One([At("fine+%41&(1)'模型", 1)]).Reason);
    }

    private static void Refused(string reason, string message, UploadedVersion verdict)
    {
        Assert.Equal((reason, true, false), (verdict.Reason, verdict.Refused, verdict.Complete));
        Assert.StartsWith(message, verdict.Message, StringComparison.Ordinal);
    }

    private static StoredObject At(string name, long size) => new("m/v/" + name, size, "e", T0);

    private static UploadedVersion One(StoredObject[] files, params (string Name, string Text)[] content) =>
        Assert.Single(Verdicts.Of(new() { Versions = "Folders" }, "m/", files, [],
            key => content.FirstOrDefault(c => "m/v/" + c.Name == key) is (not null, var text) ? Encoding.UTF8.GetBytes(text) : null, T0.AddSeconds(999)));
}
