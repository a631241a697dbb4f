using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Operate;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>The manifests name functions and routes that exist, each function has a role, and each event goes to a role that takes it.</summary>
public sealed class FunctionNamesTests
{
    private static readonly Dictionary<string, string> s_routes = typeof(CommandLine).Assembly.GetTypes()
        .SelectMany(t => t.GetMethods())
        .Where(m => m.GetCustomAttribute<FunctionAttribute>() is not null)
        .ToDictionary(m => m.GetCustomAttribute<FunctionAttribute>()!.Name, m => "/" + m.GetParameters().Select(p => p.GetCustomAttribute<HttpTriggerAttribute>()).Single(a => a is not null)!.Route!, StringComparer.Ordinal);

    [Fact]
    public async Task Functions_OfAllRoles_AreAllThatExist()
    {
        var roles = await RolesAsync();
        Assert.Equal(5, roles.Count);
        Assert.Equal(s_routes.Keys.Order(StringComparer.Ordinal), roles.Values.SelectMany(f => f).Distinct().Order(StringComparer.Ordinal));
        Assert.All(roles.Values, f => Assert.Superset(new HashSet<string> { "Health", "HealthReady", "Metrics" }, f.ToHashSet()));
        foreach (var name in s_routes.Keys.Except(["Health", "HealthReady", "Metrics"]))
        {
            Assert.Single(roles, r => r.Value.Contains(name));
        }
    }

    [Theory]
    [InlineData("eventing")]
    [InlineData("eventing/overlays/cesql")]
    [InlineData("eventing/overlays/kafka")]
    [InlineData("eventing/overlays/oidc")]
    public async Task Triggers_All_GoToARouteOfTheirSubscriber(string folder)
    {
        var roles = await RolesAsync();
        var triggers = (await Kubectl.BuildAsync(folder)).Where(o => o.Kind() == "Trigger").ToList();
        Assert.Equal(7, triggers.Count);
        Assert.All(triggers, t =>
        {
            var uri = t.Text("spec", "subscriber", "uri")!;
            Assert.EndsWith("?token=EVENTS_TOKEN", uri, StringComparison.Ordinal);
            Assert.Contains(uri.Split('?')[0], roles[t.Text("spec", "subscriber", "ref", "name")!].Select(f => s_routes[f]));
        });
    }

    [Fact]
    public async Task Policies_All_LetThroughTheRoutesOfTheirRoleAndNoOthers()
    {
        var roles = await RolesAsync();
        var policies = (await Kubectl.BuildAsync("knative/mesh")).Where(o => o.Kind() == "AuthorizationPolicy").ToDictionary(o => o.Name(), StringComparer.Ordinal);
        var probes = Paths(policies["prewarm-probes"]);
        foreach (var (role, functions) in roles)
        {
            var open = Paths(policies[role]).Concat(probes).ToList();
            var routes = functions.Select(f => s_routes[f]).ToList();
            Assert.All(routes, r => Assert.Contains(open, p => Covers(p, r)));
            Assert.All(open, p => Assert.Contains(routes, r => Covers(p, r)));
        }
    }

    private static List<string> Paths(JsonObject policy) =>
        [.. policy.At("spec", "rules").Objects().SelectMany(r => r["to"].Objects()).SelectMany(t => t.At("operation", "paths")!.AsArray()).Select(p => p!.ToString())];

    // A route's own variables are of the kind that a pattern's star takes.
    private static bool Covers(string pattern, string route) =>
        pattern.EndsWith('*') ? route.StartsWith(pattern[..^1], StringComparison.Ordinal)
        : pattern.StartsWith('*') ? route.EndsWith(pattern[1..], StringComparison.Ordinal)
        : route == pattern;

    private static async Task<Dictionary<string, string[]>> RolesAsync() => (await Kubectl.BuildAsync("knative")).Where(o => o.IsKnativeService()).ToDictionary(
        s => s.Name(),
        s => s.At("spec", "template", "spec", "containers").Objects().Single().At("env").Objects().Single(e => e.Text("name") == "FUNCTIONS").Text("value")!.Split(','),
        StringComparer.Ordinal);
}
