using System.Text;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prometheus;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

public class LineMetricsTests
{
    [Theory]
    [InlineData("45s", 45.0)]
    [InlineData("1m45s", 105.0)]
    [InlineData("2h0m3.5s", 7203.5)]
    [InlineData("Unfinished", null)]
    [InlineData("-", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void Duration_AsFluidWritesIt(string? text, double? seconds) => Assert.Equal(seconds, LineMetrics.Duration(text)?.TotalSeconds);

    [Fact]
    public async Task Stalled_WhenItTurnsTrue_CountsOncePerReason()
    {
        var model = new ModelKey("demo", "stalling");
        var at = DateTimeOffset.UnixEpoch;
        CachedModelStatus? before = null;
        foreach (var after in (CachedModelStatus[])[Status("False", "None"), Status("True", "UploadStalled"), Status("True", "UploadStalled"), Status("True", "MultipartAbandoned"), new(), Status("True", "UploadStalled")])
        {
            LineMetrics.Observe(model, before, after, [], at);
            before = after;
        }

        using var text = new MemoryStream();
        await Metrics.DefaultRegistry.CollectAndExportAsTextAsync(text, TestContext.Current.CancellationToken);
        var lines = Encoding.UTF8.GetString(text.ToArray()).Split('\n').Where(l => l.StartsWith("prewarm_uploads_stalled_total{model=\"demo/stalling\"", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        Assert.Equal(["prewarm_uploads_stalled_total{model=\"demo/stalling\",reason=\"MultipartAbandoned\"} 1", "prewarm_uploads_stalled_total{model=\"demo/stalling\",reason=\"UploadStalled\"} 2"], lines);

        static CachedModelStatus Status(string status, string reason) => new() { Conditions = [new() { Type = "Stalled", Status = status, Reason = reason }] };
    }
}
