using Prewarm.Functions.Operate;
using Xunit;

namespace Prewarm.Tests.Unit.Architecture;

public class HouseRulesTests
{
    private static readonly IReadOnlyList<Dependency> House = DependencyReader.Read(typeof(HealthReport).Assembly.Location, HouseRules.Root);

    [Fact]
    public void Functions_EveryRoom_UsesOnlyWhatStandsAboveIt() => Assert.Empty(HouseRules.Violations(House));

    /// <summary>A reader that sees nothing would find nothing wrong.</summary>
    [Theory]
    [InlineData("Upload", "Amazon.S3")]
    [InlineData("Relay", "Yarp.ReverseProxy.Forwarder")]
    [InlineData("Kubernetes", "k8s")]
    [InlineData("Pipeline", "Prewarm.Functions.Warm")]
    [InlineData("Operate", "Prewarm.Functions.Catalog")]
    public void Reader_WhatARoomDoesUse_IsSeen(string room, string uses) =>
        Assert.Contains(House, d => d.From == $"{HouseRules.Root}.{room}" && d.To == uses);

    [Theory]
    [InlineData("SignatureSpecimen", "Upload must not use Pipeline")]
    [InlineData("BodySpecimen", "Upload must not use Pipeline")]
    [InlineData("LambdaSpecimen", "only Upload may see Amazon")]
    [InlineData("GenericSpecimen", "only Relay may see Yarp")]
    [InlineData("AsyncSpecimen", "only Kubernetes may see k8s")]
    [InlineData("CallSpecimen", "Relay must not use IKubeApi")]
    [InlineData("CellarSpecimen", "Cellar is no room of this house")]
    public void Specimen_PlantedViolation_BreaksTheSameRule(string type, string said)
    {
        var planted = DependencyReader.Read(typeof(HouseRulesTests).Assembly.Location, HouseRules.Root).Where(d => d.Type == type);
        Assert.Contains(HouseRules.Violations(planted), v => v.Contains(said, StringComparison.Ordinal));
    }
}
