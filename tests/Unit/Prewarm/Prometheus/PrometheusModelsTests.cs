using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Whose series it is, and which of its minutes may be calls.</summary>
public sealed class PrometheusModelsTests
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private readonly CachedModel _bloom = Model("default", "bloom", "fluid-bloom");

    [Theory]
    [InlineData("namespace=default revision=fluid-bloom-predictor-00001")]
    [InlineData("destination_service_namespace=default destination_service_name=fluid-bloom-predictor-00001")]
    [InlineData("namespace=default destination_service_name=fluid-bloom-predictor-00001.default.svc.cluster.local")]
    [InlineData("destination_workload_namespace=default destination_workload=fluid-bloom-predictor-00001-deployment")]
    [InlineData("k8s_namespace_name=default kn_revision_name=fluid-bloom-predictor-00001")]
    [InlineData("namespace_name=default revision_name=fluid-bloom-predictor-00001 configuration_name=x")]
    [InlineData("namespace=default pod=fluid-bloom-predictor-00001-deployment-6d4b9c7f5-x2x4z")]
    // A revision that no status names any more.
    [InlineData("namespace=default revision=fluid-bloom-predictor-00007")]
    [InlineData("namespace=default configuration=fluid-bloom-predictor")]
    [InlineData("namespace=default service_name=fluid-bloom-predictor-default")]
    [InlineData("namespace=default inferenceservice=fluid-bloom")]
    [InlineData("namespace=default model=bloom")]
    [InlineData("model=default/bloom")]
    public void Find_WhatNamesTheModel_IsIt(string labels) => Assert.Same(_bloom, Find(labels)?.Model);

    [Theory]
    [InlineData("namespace=default")]
    [InlineData("revision=fluid-bloom-predictor-00001")]
    [InlineData("namespace=other revision=fluid-bloom-predictor-00001")]
    [InlineData("namespace=default revision=bloom-predictor-00001")]
    // What the gateway passes on to itself, and what the activator sends to the pods.
    [InlineData("destination_service_namespace=istio-system destination_service_name=knative-local-gateway")]
    [InlineData("destination_service_namespace=default destination_service_name=fluid-bloom-predictor-00001-private")]
    [InlineData("destination_service_namespace= destination_service_name=unknown")]
    [InlineData("namespace=default revision=-00001")]
    [InlineData("namespace=default revision=.")]
    [InlineData("model=default/opt")]
    [InlineData("model=/")]
    public void Find_WhatNamesNobody_IsNobodys(string labels) => Assert.Null(Find(labels));

    [Theory]
    [InlineData(-60, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public void Counts_OfARevision_OnlyWhenItServesForSomeMinutes(int minute, bool counts)
    {
        var version = new VersionStatus { Name = "v1", State = "Serving", Revision = "r", RolloutStartedAt = s_noon.AddMinutes(-5), ServingSince = s_noon };
        Assert.Equal(counts, PrometheusModels.Counts(_bloom, version, s_noon.AddMinutes(minute)));
        Assert.False(PrometheusModels.Counts(_bloom, version with { State = "Refused", ServingSince = null }, s_noon.AddMinutes(minute)));
    }

    [Theory]
    [InlineData(-6, true)]
    [InlineData(-5, false)]
    [InlineData(0, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public void Counts_OfTheWholeModel_NotWhileAVersionIsBroughtIn(int minute, bool counts)
    {
        var model = Model("default", "opt", "opt");
        model.Status!.Versions =
        [
            new() { Name = "v1", State = "Retired", RolloutStartedAt = s_noon.AddDays(-2), ServingSince = s_noon.AddDays(-1) },
            new() { Name = "v2", State = "Serving", RolloutStartedAt = s_noon.AddMinutes(-5), ServingSince = s_noon },
        ];
        Assert.Equal(counts, PrometheusModels.Counts(model, null, s_noon.AddMinutes(minute)));
        model.Status.Versions[1].ServingSince = null;
        Assert.Equal(minute == -6, PrometheusModels.Counts(model, null, s_noon.AddMinutes(minute)));
    }

    private (CachedModel Model, VersionStatus? Version)? Find(string labels) =>
        new PrometheusModels(new([_bloom, Model("default", "opt-other", null)])).Find(labels.Split(' ').Select(l => l.Split('=', 2)).ToDictionary(l => l[0], l => l[1]));

    private static CachedModel Model(string ns, string name, string? service)
    {
        var model = RelayRouterTests.Model(ns, name);
        model.Spec!.Serving.Name = service;
        model.Status!.Versions = [new() { Name = "v1", State = "Serving", Revision = $"{service ?? name}-predictor-00001", ServingSince = s_noon.AddDays(-1) }];
        return model;
    }
}
