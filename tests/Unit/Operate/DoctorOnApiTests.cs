using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Operate.Doctor;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.Manifests;
using Xunit;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

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

    [Fact]
    public async Task Examine_Endpoints_TellsAnObjectStoreFromAnythingElse()
    {
        Kubectl.OrSkip();
        await using var store = await Store.StartAsync(new() { Bucket = "models" }, cluster.Deadline);
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using var page = builder.Build();
        page.Run(context => context.Response.WriteAsync("<html>welcome</html>", context.RequestAborted));
        await page.StartAsync(cluster.Deadline);
        string[] endpoints = [store.Endpoint.ToString(), page.Urls.Single()];
        foreach (var (endpoint, i) in endpoints.Select((e, i) => (e, i)))
        {
            await cluster.Admin.CreateAsync(Kinds.CachedModels, RightsTable.Models, new()
            {
                ["apiVersion"] = Kinds.CachedModels.ApiVersion,
                ["kind"] = "CachedModel",
                ["metadata"] = new JsonObject { ["name"] = $"endpoint-{i}" },
                ["spec"] = new JsonObject { ["source"] = new JsonObject { ["uri"] = "oss://models/m", ["endpoint"] = endpoint } },
            }, cluster.Deadline);
        }

        var report = await ReportAsync("prewarm-operate");
        Finding Of(string endpoint) => Assert.Single(report.Findings, f => f.Check == "store/endpoint" && f.Message.Contains(new Uri(endpoint).Authority, StringComparison.Ordinal));
        Assert.Equal(Severity.Ok, Of(endpoints[0]).Severity);
        Assert.Equal(Severity.Error, Of(endpoints[1]).Severity);
        Assert.Contains("but not as an object store", Of(endpoints[1]).Message, StringComparison.Ordinal);
        for (var i = 0; i < endpoints.Length; i++)
        {
            await cluster.Admin.DeleteAsync(Kinds.CachedModels, RightsTable.Models, $"endpoint-{i}", null, now: true, cluster.Deadline);
        }
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
