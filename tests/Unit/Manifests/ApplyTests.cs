using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Stock kubectl applies the manifests to the sandbox's API server, and the accounts have the rights of the table.</summary>
public sealed class ApplyTests(AppliedCluster cluster) : IClassFixture<AppliedCluster>
{
    public static TheoryData<string> Accounts => [.. RightsTable.Accounts];

    [Theory]
    [InlineData("knative")]
    [InlineData("knative/overlays/ack")]
    [InlineData("knative/overlays/ack-serverless")]
    [InlineData("knative/overlays/oidc")]
    [InlineData("knative/monitoring")]
    [InlineData("knative/optional/external-upload-events")]
    [InlineData("knative/optional/functions-host")]
    [InlineData("knative/examples/bloom")]
    [InlineData("knative/examples/bloom-serverless")]
    [InlineData("eventing")]
    [InlineData("eventing/overlays/cesql")]
    [InlineData("eventing/overlays/kafka")]
    [InlineData("eventing/overlays/oidc")]
    public async Task Apply_WithStrictValidation_IsAccepted(string folder)
    {
        Kubectl.OrSkip();
        var output = await cluster.RunAsync("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-k", folder);
        Assert.Equal((await Kubectl.BuildAsync(folder)).Count, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Count(l => l.Contains("(server dry run)", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("knative")]
    [InlineData("eventing")]
    public async Task Apply_Again_WritesNothing(string folder)
    {
        Task<string> VersionsAsync() => cluster.RunAsync("get", "-k", folder, "-o", """jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}""");
        // The first one takes the fields over from the fixture's client-side apply.
        await cluster.RunAsync("apply", "--server-side", "--force-conflicts", "-k", folder);
        var before = await VersionsAsync();
        await cluster.RunAsync("apply", "--server-side", "-k", folder);
        Assert.Equal((await Kubectl.BuildAsync(folder)).Count, before.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(before, await VersionsAsync());
    }

    [Theory]
    [MemberData(nameof(Accounts))]
    public async Task Account_HasTheRightsOfTheTable_AndNothingMore(string account)
    {
        Kubectl.OrSkip();
        using var client = await cluster.ClientAsync(account);
        var allowed = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var place in RightsTable.Places)
        {
            foreach (var resource in RightsTable.Resources)
            {
                foreach (var verb in RightsTable.Verbs)
                {
                    if (await cluster.MayAsync(client, verb, resource, place))
                    {
                        allowed.Add($"{verb} {resource} {place ?? "*"}");
                    }
                }
            }
        }

        Assert.Equal(RightsTable.Of(account), allowed);
    }

    [Theory]
    [InlineData("prewarm-relay")]
    [InlineData("prewarm-operate")]
    [InlineData("prewarm-events")]
    public void Account_OtherThanTheLine_HasNoRightToWrite(string account) =>
        Assert.All(RightsTable.Of(account), r => Assert.Contains(r.Split(' ')[0], (string[])["get", "list", "watch"]));

    [Fact]
    public async Task Secrets_OnlyTheLine_OnlyByName_OnlyWithTheModels()
    {
        Kubectl.OrSkip();
        foreach (var account in RightsTable.Accounts)
        {
            using var client = await cluster.ClientAsync(account);
            Assert.Equal(account == "prewarm-line", await cluster.MayAsync(client, "get", "/secrets", RightsTable.Models, "access-key"));
            Assert.False(await cluster.MayAsync(client, "get", "/secrets", RightsTable.Models, "another"));
            Assert.False(await cluster.MayAsync(client, "patch", "/secrets", RightsTable.Models, "access-key"));
            Assert.False(await cluster.MayAsync(client, "get", "/secrets", "prewarm-system", "prewarm-events"));
            Assert.False(await cluster.MayAsync(client, "get", "/secrets", "default", "access-key"));
        }
    }

    [Theory]
    [InlineData("prewarm-line", "yes", 0)]
    [InlineData("prewarm-relay", "no", 1)]
    public async Task CanI_StockKubectl_SaysTheSame(string account, string answer, int exitCode)
    {
        var (code, output) = await cluster.TryAsync("auth", "can-i", "patch", "cachedmodels", "--subresource=status", "-n", RightsTable.Models, $"--as=system:serviceaccount:prewarm-system:{account}");
        Assert.Equal((exitCode, answer), (code, output.Trim()));
    }
}

/// <summary>Uninstalling: on a server of its own.</summary>
public sealed class UninstallTests(AppliedCluster cluster) : IClassFixture<AppliedCluster>
{
    [Fact]
    public async Task Delete_AsDocumented_LeavesModelsTheirNamespaceAndTheCrd()
    {
        Kubectl.OrSkip();
        await cluster.RunAsync("apply", "-k", "knative/examples/bloom");
        var command = ManifestFolder.Read("docs/operations.md").Split('\n').Select(l => l.Trim()).Single(l => l.StartsWith("kubectl delete -k knative ", StringComparison.Ordinal));
        Assert.Equal("kubectl delete -k knative -l 'prewarm.dev/keep!=true'", command);
        await cluster.RunAsync("delete", "-k", "eventing", "--timeout=20s");
        await cluster.RunAsync("delete", "-k", "knative", "-l", "prewarm.dev/keep!=true", "--timeout=20s");
        Assert.Empty((await cluster.Admin.ListAsync(Kinds.Services, "prewarm-system", null, cluster.Deadline)).Items);
        // "default" is the namespace's own.
        Assert.DoesNotContain((await cluster.Admin.ListAsync(Kinds.ServiceAccounts, "prewarm-system", null, cluster.Deadline)).Items, a => a.Name().StartsWith("prewarm", StringComparison.Ordinal));
        Assert.NotNull(await cluster.Admin.GetAsync(CatalogKinds.CachedModels, RightsTable.Models, "bloom", cluster.Deadline));
        Assert.NotNull(await cluster.Admin.GetAsync(Kinds.Namespaces, null, "prewarm-system", cluster.Deadline));
    }
}
