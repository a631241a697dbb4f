using System.Text;
using CsCheck;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.Fuzz;

/// <summary>Readers of what people upload and write: a value or a fault, no exception but the one a reader declares.</summary>
public sealed class DocumentFuzzTests
{
    private const int Rounds = 3000;
    private const string Index = """{"metadata":{"total_size":12},"weight_map":{"a.weight":"model-00001-of-00002.safetensors","b.weight":"model-00002-of-00002.safetensors"}}""";
    private const string Manifest = """{"files":[{"path":"config.json","size":12},{"path":"sub/model.safetensors","size":1048576}]}""";
    private const string Golden = """
        {"request":{"prompt":"It was","result_length":5},"expect":{"result":"It was a dark"}}
        {"request":{"instances":[[1,2]]},"response":{"predictions":[1]},"path":"/v1/models/bloom:predict"}
        """;

    [Fact]
    public void Index_AnyBytes_FilesOfItsFolderOrAFault() => Mutation.Of(Index, Manifest).Sample(bytes => Inside(UploadDocuments.ReadIndex("m/v1/x.index.json", bytes)), iter: Rounds);

    [Fact]
    public void Manifest_AnyBytes_FilesOfItsFolderOrAFault() => Mutation.Of(Manifest, Index).Sample(bytes => Inside(UploadDocuments.ReadManifest("m/v1/manifest.json", bytes)), iter: Rounds);

    [Fact]
    public void Golden_AnyBytes_QuestionsThatStayAtTheModelOrAFault() => Mutation.Of(Golden).Sample(bytes =>
    {
        var (questions, fault) = GoldenFile.Read(bytes);
        Assert.Equal(fault is null, questions.Count > 0);
        foreach (var question in questions)
        {
            var gateway = new Uri("http://gateway:8080");
            Assert.Equal(gateway.Authority, new Uri(gateway, question.Path ?? "/").Authority);
            _ = Functions.Rollout.GoldenMatch.Contains(question.Expected, question.Expected);
        }
    }, iter: Rounds);

    [Fact]
    public void Listing_AnyKeysAndContents_AVerdictForEachVersion() =>
        Gen.Select(Gen.String[0, 20].Array[0, 8], Mutation.Of(Index, Manifest, Golden), Gen.Long[-1, 100], Gen.Int[0, 4000]).Sample((names, content, size, second) =>
        {
            var at = DateTimeOffset.UnixEpoch;
            var prefix = "m/";
            StoredObject[] files = [.. names.Concat(["v/x.index.json", "v/manifest.json", "v/golden.jsonl", "w/a.safetensors"]).Distinct(StringComparer.Ordinal).Select(n => new StoredObject(prefix + n, size, "e", at))];
            foreach (var when in (string[])["Auto", "Marker", "Index", "Manifest", "Quiet", "nonsense"])
            {
                var source = new SourceSpec { Complete = new() { When = when } };
                _ = Verdicts.Split(source, prefix, files, []).SelectMany(v => UploadPlanner.Documents(source.Complete, v)).ToList();
                foreach (var version in Verdicts.Of(source, prefix, files, [], _ => content, at.AddSeconds(second)))
                {
                    Assert.NotEqual("", version.Reason);
                    Assert.False(version is { Complete: true, Refused: true });
                    Assert.DoesNotContain(version.Message, char.IsControl);
                    Assert.InRange(version.Message.Length, 1, 4000);
                }
            }
        }, iter: 300);

    [Fact]
    public void Trace_AnyBytes_ServicesOrItsOwnException() =>
        Mutation.Of("""
            {"id":"a","h0":0,"h1":100,"t":[5,7,1.5]}
            {"id":"b","t":[]}
            """, "timestamp,model\n5,a\n7,b\n2026-01-01T00:00:00Z,a\n").Sample(bytes =>
        {
            try
            {
                Assert.All(TraceReader.Read(new MemoryStream(bytes), "trace"), s =>
                {
                    Assert.All(s.Arrivals, t => Assert.True(double.IsFinite(t) && t >= 0));
                    Assert.NotEqual("", s.Id);
                });
            }
            catch (TraceFormatException e)
            {
                Assert.StartsWith("trace", e.Message, StringComparison.Ordinal);
            }
        }, iter: Rounds);

    [Fact]
    public void ByteSize_AnyText_AFiniteNumberOrNothing() =>
        Mutation.Of("3.14GiB", "0.00B", "[Calculating]", "NaNGiB", "1e999PiB", "-5KiB").Sample(bytes =>
        {
            var text = Encoding.UTF8.GetString(bytes);
            Assert.True(ByteSize.Parse(text) is not { } size || (double.IsFinite(size) && size >= 0), text);
            Assert.True(double.IsFinite(ByteSize.Rounding(text)));
        }, iter: Rounds);

    [Fact]
    public void Quantity_AnyText_AFiniteNumberOrNothing() =>
        Mutation.Of("50Gi", "1.5k", "1e9", "-3Mi", "5m").Sample(bytes => Assert.True(Quantity.Parse(Encoding.UTF8.GetString(bytes)) is not { } value || double.IsFinite(value)), iter: Rounds);

    [Theory]
    [InlineData("50Gi", 53_687_091_200d)]
    [InlineData("1.5k", 1500d)]
    [InlineData("1e3", 1000d)]
    [InlineData("500m", 0.5)]
    [InlineData("-1", -1d)]
    [InlineData("50K", null)]
    [InlineData("50GiB", null)]
    [InlineData("Gi", null)]
    [InlineData("1..5", null)]
    [InlineData("NaN", null)]
    [InlineData("1e999", null)]
    [InlineData(" 1", null)]
    public void Quantity_AsKubernetesReadsIt(string text, double? value) => Assert.Equal(value, Quantity.Parse(text));

    [Fact]
    public void Location_AnyText_BucketAndPrefixOrNothing() =>
        Mutation.Of("oss://fluid-demo/models/bloom", "oss://b", "s3://b/p").Sample(bytes =>
        {
            var text = Encoding.UTF8.GetString(bytes);
            var location = SourceLocation.Parse(text);
            Assert.True(location is null || (location.Bucket.Length > 0 && !location.Bucket.Contains('/') && (location.Prefix.Length == 0 || location.Prefix.EndsWith('/'))), text);
            if (location is not null)
            {
                Assert.Equal(location, SourceLocation.Parse(location.Uri));
            }
        }, iter: Rounds);

    [Fact]
    public void Spec_AnyTexts_FaultsOrNone() =>
        Gen.Select(Mutation.Of("oss://b/m", "http://127.0.0.1:9000", "oss-cn-hangzhou.aliyuncs.com", "50Gi", "/mnt/ssd0/cache", "0.95"), Gen.Int[0, 9], Gen.Int).Sample((bytes, field, number) =>
        {
            var text = Encoding.UTF8.GetString(bytes);
            var model = SpecChecksOf(field, text, number);
            foreach (var fault in SpecChecks.Of(model))
            {
                Assert.DoesNotContain(fault.Message, char.IsControl);
                Assert.InRange(fault.Message.Length, 1, 1000);
            }

            _ = (model.Location(), model.ServiceName(), model.ModelName(), Claims.Of(model, new([model])), SpecChecks.TooSmall(model, new() { Name = text, Bytes = number }));
        }, iter: Rounds);

    private static CachedModel SpecChecksOf(int field, string text, int number)
    {
        var spec = new CachedModelSpec { Source = new() { Uri = "oss://b/m", Endpoint = "e" } };
        switch (field)
        {
            case 0: spec.Source.Uri = text; break;
            case 1: spec.Source.Endpoint = text; break;
            case 2: spec.Source.CredentialsSecret = text; break;
            case 3: spec.Source.Complete.Marker = text; break;
            case 4: spec.Cache.Tier.Quota = text; break;
            case 5: spec.Cache.Tier.Path = text; break;
            case 6: (spec.Cache.Tier.High, spec.Cache.Tier.Low) = (text, text); break;
            case 7: spec.Cache.ExistingDataset = new() { Name = text, Path = text }; break;
            case 8: (spec.Serving.Name, spec.Serving.ModelName, spec.Serving.Platform) = (text, text, text); break;
            default: (spec.Cache.Replicas, spec.Cache.Copies, spec.Cache.KeepVersions) = (number, -number, number); break;
        }

        return new() { Metadata = new() { Name = "m", Namespace = "n" }, Spec = spec };
    }

    private static void Inside(UploadDemand demand)
    {
        Assert.Equal(demand.Fault is null, demand.Files.Count > 0);
        Assert.All(demand.Files, f =>
        {
            Assert.StartsWith("m/v1/", f.Key, StringComparison.Ordinal);
            Assert.DoesNotContain("..", f.Key.Split('/'));
            Assert.False(f.Size < 0);
        });
    }
}
