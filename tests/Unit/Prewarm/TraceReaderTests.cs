using System.IO.Compression;
using System.IO.Pipes;
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
    [InlineData(false)]
    [InlineData(true)]
    public void Read_APipe_AsAFile(bool zipped)
    {
        using var into = new AnonymousPipeServerStream(PipeDirection.Out);
        using var pipe = new AnonymousPipeClientStream(PipeDirection.In, into.ClientSafePipeHandle);
        using (Stream text = zipped ? new GZipStream(into, CompressionLevel.Fastest) : into)
        {
            text.Write(Encoding.UTF8.GetBytes(Good));
        }

        Assert.Equal("a", Assert.Single(TraceReader.Read(pipe, "stdin")).Id);
    }

    [Theory]
    [InlineData("2026-01-01", 1767225600)]
    [InlineData("2026-01-01T08:00+08:00", 1767225600)]
    [InlineData("2026-01-01 00:00:00.25", 1767225600.25)]
    [InlineData("2026-01-01T00:00:00.123456789Z", 1767225600.1234567)]
    [InlineData("2026-01-01t08:00:00+0800", 1767225600)]
    [InlineData("1767225600.5", 1767225600.5)]
    [InlineData("1.7672256e9", 1767225600)]
    public void Read_CsvTime_SecondsOrIso8601(string text, double seconds) =>
        Assert.Equal(seconds, Assert.Single(Read($"timestamp,model\n{text},a\n")).Arrivals[0], 1e-6);

    [Theory]
    [InlineData("\"1,5\"")]
    [InlineData("03/04/2026")]
    [InlineData("00:00:10")]
    [InlineData("3 April 2026")]
    [InlineData("2026-1-1")]
    [InlineData("2026-13-01")]
    public void Read_CsvTime_AnythingElseIsRefused(string text) => Assert.Equal(
        $"trace, line 2: \"{text.Trim('"')}\" is neither seconds nor ISO 8601: write it as 1767225600.5 or 2026-01-01T00:00:00.5Z",
        Assert.Throws<TraceFormatException>(() => Read($"timestamp,model\n{text},a\n")).Message);

    [Theory]
    [InlineData("\"id\":\"a\",\"h1\":\"5000\",\"t\":[1]", "\"h1\" is the text \"5000\": give seconds as a number, or leave it out")]
    [InlineData("\"id\":\"a\",\"h0\":null,\"t\":[1]", "\"h0\" is null: give seconds as a number")]
    [InlineData("\"id\":\"a\",\"t\":[1,\"1\"]", "\"t\" has the text \"1\" at position 1: give seconds as numbers")]
    [InlineData("\"id\":\"a\",\"t\":[[1]]", "\"t\" has an array at position 0")]
    [InlineData("\"id\":\"a\",\"t\":null", "\"t\" is null, not an array: give [first second, then deltas]")]
    [InlineData("\"id\":{},\"t\":[1]", "\"id\" is an object: give the service's name as text")]
    [InlineData("\"id\":\"a\",\"t\":[1,]", "no valid JSON at byte ")]
    [InlineData("\"id\":\"a\",\"t\":[1764547200,1764547260,1764547300]", "\"t\" has 1764547260 at position 1, a delta of more than 10 years: give the first absolute second and then the seconds between two calls")]
    [InlineData("\"id\":\"a\",\"h1\":1764547300,\"t\":[1764547200,1764547260]", "not absolute times")]
    public void Read_JsonlField_NamedWithItsValueAndTheFix(string fields, string says)
    {
        var message = Assert.Throws<TraceFormatException>(() => Read($"{{{fields}}}")).Message;
        Assert.StartsWith("trace, line 1: ", message, StringComparison.Ordinal);
        Assert.Contains(says, message, StringComparison.Ordinal);
        Assert.DoesNotContain("CSV", message, StringComparison.Ordinal);
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
    [InlineData("timestamp,model\n1,5,a", "line 2", "3 columns where the header has 2")]
    [InlineData("", "no service", "")]
    public void Read_BadLine_RefusedByNumber(string text, string where, string why)
    {
        var e = Assert.Throws<TraceFormatException>(() => Read(text));
        Assert.Contains(where, e.Message, StringComparison.Ordinal);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    private static List<ServiceTrace> Read(string text) => TraceReader.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), "trace");
}
