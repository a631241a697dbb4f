using System.Text.Json.Nodes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;
using Xunit;

namespace Prewarm.Tests.Scenarios;

/// <summary>
/// What the functions have asked a real kube-apiserver while the scenarios ran there, each role under its own account, as the server's audit log has it, against <c>knative/</c>: nothing was refused,
/// and nothing was allowed that the manifests do not grant. That every right is used is CodeRightsTests' to show; the rights that no scenario needed are told. Explicit: PREWARM_TEST_AUDIT names the folder that <c>.ci/kube-apiserver stop</c> has put the logs into.
/// </summary>
public sealed class RecordedRightsTests(ITestOutputHelper output)
{
    private const string Own = "system:serviceaccount:prewarm-system:";

    [Fact(Explicit = true)]
    public async Task Scenarios_AllTogether_AreRefusedNothing_AndUseNoRightThatIsNotGranted()
    {
        var folder = Environment.GetEnvironmentVariable("PREWARM_TEST_AUDIT");
        Assert.SkipWhen(folder is null, "PREWARM_TEST_AUDIT is not set: give the folder of a run's audit logs");
        var (used, refused, requests) = (new SortedSet<string>(StringComparer.Ordinal), new SortedSet<string>(StringComparer.Ordinal), 0);
        foreach (var line in Directory.EnumerateFiles(folder!, "*.log").SelectMany(File.ReadLines))
        {
            // The last line of a server that was killed may be cut off.
            if (!line.EndsWith('}') || JsonNode.Parse(line) is not JsonObject entry || entry.At("objectRef") is not { } asked || entry.Text("user", "username") is not { } user)
            {
                continue;
            }

            requests++;
            var resource = $"{asked.Text("apiGroup")}/{asked.Text("resource")}{(asked.Text("subresource") is { } part ? "/" + part : "")}";
            var (account, verb) = (user[Own.Length..], entry.Text("verb")!);
            if (entry.Text("annotations", "authorization.k8s.io/decision") != "allow")
            {
                refused.Add($"{account} {verb} {resource} in {asked.Text("namespace")}");
                continue;
            }

            used.Add($"{account} {verb} {resource}");
            if (verb == "patch" && entry.Text("responseStatus", "code") == "201")
            {
                // Server-side apply of what is not there yet asks for both.
                used.Add($"{account} create {resource}");
            }
        }

        var granted = await GrantedAsync();
        output.WriteLine($"{requests} requests, {used.Count} of {granted.Count} rights used, unused: {string.Join("; ", granted.Except(used))}");
        Assert.True(requests > 300, $"only {requests} requests were recorded");
        Assert.True(used.Count > 40, $"only {used.Count} rights were used");
        Assert.Equal([], refused);
        // Whoever is authenticated may ask about himself and discover.
        Assert.Equal([], used.Where(u => !u.Contains(" authorization.k8s.io/", StringComparison.Ordinal)).Except(granted));
    }

    /// <summary>What the manifests bind to the accounts of the functions; the sources' account is of Knative's adapter, which the sandbox plays as the administrator.</summary>
    private static async Task<SortedSet<string>> GrantedAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60), TimeProvider.System);
        var kubectl = new KubectlProgram(Path.Combine(Path.GetTempPath(), "none"));
        var objects = new List<JsonObject>();
        foreach (var part in (string[])["knative", "knative/optional/move-remote-pods"])
        {
            objects.AddRange(Yaml.Documents(await kubectl.RunAsync(null, limit.Token, "kustomize", Path.Combine(Checkout.Root, part))));
        }

        var granted = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var binding in objects.Where(o => o.Text("kind") is "RoleBinding" or "ClusterRoleBinding"))
        {
            var role = objects.First(o => o.Text("kind") == binding.Text("roleRef", "kind") && o.Name() == binding.Text("roleRef", "name"));
            granted.UnionWith(from subject in binding["subjects"].Objects()
                              from rule in role["rules"].Objects()
                              from verb in Values(rule, "verbs")
                              from resource in Values(rule, "resources")
                              select $"{subject.Text("name")} {verb} {Values(rule, "apiGroups").Single()}/{resource}");
        }

        return granted;
    }

    private static IEnumerable<string> Values(JsonObject rule, string key) => rule[key]!.AsArray().Select(v => (string)v!);
}
