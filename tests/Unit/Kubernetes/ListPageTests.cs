using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Kubernetes;

public class ListPageTests
{
    /// <summary>However the network cuts it, the same objects come out, and it is one object at a time that is held.</summary>
    [Fact]
    public void Page_CutAnywhere_IsRead() => Gen.Select(Gen.Int[0, 12], Gen.Int[1, 300].Array[1, 20], Gen.Bool).Sample(cut =>
    {
        var (count, pieces, metadataLast) = cut;
        var wanted = Enumerable.Range(0, count).Select(i => $"dataset-{i}").ToArray();
        var items = new JsonArray([.. wanted.Select(n => new JsonObject { ["kind"] = "Dataset", ["metadata"] = new JsonObject { ["name"] = n, ["labels"] = new JsonObject { ["x"] = "ü]}\"" + new string('y', 40 * n.Length) } }, ["spec"] = new JsonObject() })]);
        var page = new JsonObject { ["kind"] = "DatasetList", ["apiVersion"] = "data.fluid.io/v1alpha1" };
        foreach (var (name, value) in Members(items, metadataLast))
        {
            page[name] = value;
        }

        var (names, version, next) = Read(page.ToJsonString(), pieces);
        Assert.Equal(wanted, names);
        Assert.Equal(("42", "more"), (version, next));
    }, iter: 300);

    [Theory]
    [InlineData("""{"kind":"DatasetList","items":null,"metadata":{"resourceVersion":"7"}}""")]
    [InlineData("""{"metadata":{"resourceVersion":"7","continue":""},"items":[],"later":[{"metadata":{"name":"no"}}]}""")]
    public void Page_WithoutObjects_IsEmpty(string page)
    {
        var (names, version, _) = Read(page, [7]);
        Assert.Empty(names);
        Assert.Equal("7", version);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("""{"items":[{"metadata":{"name":"a"}},null],"metadata":{}}""")]
    [InlineData("""{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}},{"meta""")]
    [InlineData("""{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}}]""")]
    public void Page_ThatIsNoneOrBreaksOff_IsNoList(string page) => Assert.ThrowsAny<JsonException>(() => Read(page, [5]));

    private static (string, JsonNode)[] Members(JsonArray items, bool metadataLast)
    {
        (string, JsonNode) list = ("items", items), metadata = ("metadata", new JsonObject { ["resourceVersion"] = "42", ["continue"] = "more" });
        return metadataLast ? [list, metadata] : [metadata, list];
    }

    private static (string[] Names, string? Version, string? Continue) Read(string page, int[] pieces)
    {
        var items = new List<Dataset>();
        var reader = new ListPage<Dataset>(FluidKinds.Datasets, items);
        reader.ReadAsync(new Pieces(Encoding.UTF8.GetBytes(page), pieces), CancellationToken.None).GetAwaiter().GetResult();
        return ([.. items.Select(i => i.Metadata.Name!)], reader.ResourceVersion, reader.Continue);
    }

    /// <summary>Gives no more at once than it is told to.</summary>
    private sealed class Pieces(byte[] bytes, int[] sizes) : MemoryStream(bytes)
    {
        private int _next;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var size = Math.Min(buffer.Length, sizes[_next++ % sizes.Length]);
            return new(Read(buffer.Span[..size]));
        }
    }
}
