using Prewarm.Functions.Pipeline;
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
}
