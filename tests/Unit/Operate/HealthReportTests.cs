using Prewarm.Functions.Operate;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Operate;

public sealed class HealthReportTests
{
    [Theory]
    [InlineData(true, null, true)]
    [InlineData(false, null, false)]
    [InlineData(true, "connection refused", true)]
    [InlineData(false, "connection refused", false)]
    public void Report_CatalogState_TellsTheTruth(bool synced, string? failure, bool ready)
    {
        var catalog = new CatalogFake { Synced = synced ? Task.CompletedTask : new TaskCompletionSource().Task, Failure = failure };
        var report = HealthReport.Of(catalog, catalog);
        Assert.Equal(ready, report.Ready);
        Assert.Equal(failure is null, report.Checks.Single(c => c.Name == "apiServer").Ok);
        Assert.Equal(failure, report.Checks.Single(c => c.Name == "apiServer").Message);
    }
}
