using System.Text.RegularExpressions;
using CsCheck;
using Prewarm.Functions.Catalog;
using Xunit;

namespace Prewarm.Tests.Unit;

public sealed class DnsNameTests
{
    [Theory]
    [InlineData("bloom", "bloom")]
    [InlineData("a-name-with-more-than-the-forty-characters-allowed", null)]
    [InlineData("team.bloom", null)]
    [InlineData("7b", null)]
    public void ServiceName_IsTheModelsName_WhereThatIsALabel(string name, string? same)
    {
        var service = new CachedModel { Metadata = new() { Name = name } }.ServiceName();
        Assert.True(service.Length <= 40 && Regex.IsMatch(service, "^[a-z]([-a-z0-9]*[a-z0-9])?$"), service);
        Assert.Equal(same is not null, service == name);
    }

    [Fact]
    public void Of_AnyTwoNames_AreTwoLabels() =>
        Gen.Select(Gen.String["abcz019.-"], Gen.String["abcz019.-"]).Where((a, b) => a != b).Sample((a, b) => DnsName.Of("x" + a, 40) != DnsName.Of("x" + b, 40));
}
