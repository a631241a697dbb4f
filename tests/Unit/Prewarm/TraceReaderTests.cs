using System.IO.Compression;
using System.Text;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class TraceReaderTests
{
    private const string Good = """{"id":"a","src":{"x":[1]},"h0":0,"h1":100,"t":[10,5,0.5],"d":[1,2,3]}""";

    [Fact]
    public void Read_Jsonl_DeltasAddUp()
    {
        var service = Assert.Single(Read(Good));
        Assert.Equal(("a", 0.0, 100.0), (service.Id, service.Start, service.End));
        Assert.Equal([10, 15, 15.5], service.Arrivals);
    }

    [Fact]
    public void Read_Gzip_KnownByItsFirstBytes()
    {
        using var packed = new MemoryStream();
        using (var zip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            zip.Write(Encoding.UTF8.GetBytes(Good + "\n"));
        }

        packed.Position = 0;
        Assert.Equal("a", Assert.Single(TraceReader.Read(packed, "x")).Id);
    }

    [Fact]
    public void Read_Csv_ServicesByModel()
    {
        var services = Read("timestamp,model\n5,a\n7,b\n2026-01-01T00:00:00Z,a\n");
        Assert.Equal(["a", "b"], services.Select(s => s.Id));
        Assert.Equal([5, 1767225600], services[0].Arrivals);
    }

    [Theory]
    [InlineData(Good + "\n" + """{"id":"b","t":[3,-1]}""", "line 2", "unsorted")]
    [InlineData("""{"id":"b","t":[-3]}""", "line 1", "negative")]
    [InlineData("""{"id":"b","t":[1,"x"]}""", "line 1", "")]
    [InlineData("""{"id":"b","t":[1e999]}""", "line 1", "")]
    [InlineData("""{"id":"b"}""", "line 1", "missing")]
    [InlineData("""{"id":"b","h1":4,"t":[5]}""", "line 1", "before the last arrival")]
    [InlineData(Good + "\n\nnonsense", "line 3", "")]
    [InlineData("timestamp,model\n5,a\n4,b", "line 3", "unsorted")]
    [InlineData("timestamp,model\n-5,a", "line 2", "negative")]
    [InlineData("timestamp,model\nsoon,a", "line 2", "soon")]
    [InlineData("timestamp,model\n5", "line 2", "missing")]
    [InlineData("", "no service", "")]
    public void Read_BadLine_RefusedByNumber(string text, string where, string why)
    {
        var e = Assert.Throws<TraceFormatException>(() => Read(text));
        Assert.Contains(where, e.Message, StringComparison.Ordinal);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    private static List<ServiceTrace> Read(string text) => TraceReader.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), "trace");
}
