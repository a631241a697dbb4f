using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Operate.Doctor;
using Prewarm.Tests.Unit.Manifests;
using Xunit;

namespace Prewarm.Tests.Unit.Operate;

/// <summary>The doctor's questions on an API server with RBAC, under the account that it has in a cluster.</summary>
public sealed class DoctorOnApiTests(AppliedCluster cluster) : IClassFixture<AppliedCluster>
{
    [Fact]
    public async Task Examine_WithTheOptionalRights_MissesNone()
    {
        Kubectl.OrSkip();
        foreach (var ns in (string[])["knative-serving", "fluid-system", "kserve", "kourier-system"])
        {
            await cluster.RunAsync("create", "namespace", ns);
        }

        await cluster.RunAsync("label", "namespace", "knative-serving", "app.kubernetes.io/version=1.18.2");
        await cluster.RunAsync("-n", "knative-serving", "create", "configmap", "config-features", "--from-literal=kubernetes.podspec-persistent-volume-claim=enabled");
        await cluster.RunAsync("apply", "-k", "knative/optional/doctor");
        var report = await ReportAsync("prewarm-operate");

        // The Secret is the line's alone; clocks, parts and rights are seen.
        Assert.Equal([], report.Findings.Where(f => f.Message.Contains("may not look", StringComparison.Ordinal) && f.Check != "store/secret"));
        Assert.Contains(report.Findings, f => f is { Check: "knative/pvc", Severity: Severity.Ok });
        Assert.Contains(report.Findings, f => f is { Check: "versions/knative", Severity: Severity.Ok } && f.Message.Contains("1.18.2", StringComparison.Ordinal));
        Assert.Contains(report.Findings, f => f is { Check: "versions/fluid", Severity: Severity.Error } && f.Message.Contains("dataset-controller", StringComparison.Ordinal));
        Assert.Contains(report.Findings, f => f is { Check: "rights", Severity: Severity.Ok });
        Assert.Contains(report.Findings, f => f is { Check: "events/triggers", Severity: Severity.Ok });
    }

    [Fact]
    public async Task Examine_AsTheRelay_SaysWhatItMayNotDoForTheLine()
    {
        Kubectl.OrSkip();
        var report = await ReportAsync("prewarm-relay", functions: "ModelUploaded");
        var rights = Assert.Single(report.Findings, f => f.Check == "rights");
        Assert.Equal(Severity.Error, rights.Severity);
        Assert.Contains("create datasets.data.fluid.io in kserve-fluid-demo (ModelUploaded)", rights.Message, StringComparison.Ordinal);
        Assert.Contains(report.Findings, f => f is { Check: "knative/pvc", Severity: Severity.Unknown });
    }

    private async Task<DoctorReport> ReportAsync(string account, string functions = "Models,Doctor")
    {
        var client = await cluster.ClientAsync(account);
        using var api = new KubeApi(client);
        using var discovery = new ServerDiscovery(await cluster.ClientAsync(account), TimeProvider.System);
        var settings = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["FUNCTIONS"] = functions,
            ["PREWARM_NAMESPACES"] = RightsTable.Models,
            ["Events:Token"] = "T",
        }).Build();
        using var doctor = new DoctorClient(api, discovery, settings, TimeProvider.System);
        return await doctor.ReportAsync(serving: true, cluster.Deadline);
    }
}
