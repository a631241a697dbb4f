using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Warm;

public class LocalityVerdictTests
{
    [Theory]
    [InlineData("Unknown", 2, "a,b", "", false, "Unknown")]
    [InlineData("Cold", 2, "a,b", "", false, "Cold")]
    [InlineData("Partial", 2, "a,b", "a", false, "Partial")]
    [InlineData("Warm", 2, "a,b", "", false, "Local")]
    [InlineData("Warm", 2, "a,b", "b", false, "Local")]
    [InlineData("Warm", 1, "a,b", "b", false, "Spread")]
    [InlineData("Warm", 2, "a,b", "b,c", false, "Remote")]
    [InlineData("Warm", 2, "a,b", "b", true, "Remote")]
    [InlineData("Warm", 2, "", "", false, "Remote")]
    [InlineData("Warm", 2, null, "b", false, "Unknown")]
    public void Of_Figures_Verdict(string warmth, int copies, string? workers, string pods, bool sidecar, string expected)
    {
        string[]? Nodes(string? list) => list?.Split(',', StringSplitOptions.RemoveEmptyEntries);
        var verdict = LocalityVerdict.Of(new(Enum.Parse<Warmth>(warmth), "R", "m", 0), copies, Nodes(workers), Nodes(pods)!, sidecar);
        Assert.Equal(expected, verdict.Locality.ToString());
    }
}
