using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>RBAC of a ServiceAccount's token.</summary>
public sealed class AccessTests : IAsyncLifetime
{
    private static readonly ResourceType<JsonObject> s_roles = Rbac("roles", "Role", true);
    private static readonly ResourceType<JsonObject> s_bindings = Rbac("rolebindings", "RoleBinding", true);
    private static readonly ResourceType<JsonObject> s_clusterRoles = Rbac("clusterroles", "ClusterRole", false);
    private static readonly ResourceType<JsonObject> s_clusterBindings = Rbac("clusterrolebindings", "ClusterRoleBinding", false);
    private readonly ApiWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Token_NoRole_ForbiddenAndSaysWhat()
    {
        using var api = await Account();
        var e = await Assert.ThrowsAsync<KubeApiException>(() => api.ListAsync(FluidKinds.Datasets, "default", null, _world.Deadline));
        Assert.Equal((HttpStatusCode.Forbidden, "Forbidden"), (e.StatusCode, e.Reason));
        Assert.Equal("datasets.data.fluid.io is forbidden: User \"system:serviceaccount:default:prewarm\" cannot list resource \"datasets\" in API group \"data.fluid.io\" in the namespace \"default\"", e.Message);
    }

    [Fact]
    public async Task Token_WithRole_DoesThatInThatNamespaceOnly()
    {
        using var api = await Account();
        await Grant(s_roles, "reader", """[{"apiGroups":["data.fluid.io"],"resources":["datasets"],"verbs":["get","list","watch"]}]""", "default");
        await Bind(s_bindings, "Role", "reader", "default");
        Assert.Empty((await api.ListAsync(FluidKinds.Datasets, "default", null, _world.Deadline)).Items);
        await Forbidden(() => api.ListAsync(FluidKinds.Datasets, null, null, _world.Deadline));
        await Forbidden(() => api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("a"), _world.Deadline));
        await Forbidden(() => api.ListAsync(FluidKinds.DataLoads, "default", null, _world.Deadline));
    }

    [Fact]
    public async Task Token_StatusOnly_MayNotWriteSpec()
    {
        using var api = await Account();
        await Grant(s_clusterRoles, "status", """[{"apiGroups":["data.fluid.io"],"resources":["datasets/status"],"verbs":["patch"]}]""", null);
        await Bind(s_clusterBindings, "ClusterRole", "status", null);
        await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("a"), _world.Deadline);
        await api.MergePatchAsync(Kinds.Datasets, "default", "a", """{"status":{"phase":"Bound","conditions":[]}}""", "status", _world.Deadline);
        await Forbidden(() => api.MergePatchAsync(Kinds.Datasets, "default", "a", """{"spec":{"placement":"Shared"}}""", null, _world.Deadline));
    }

    [Fact]
    public async Task Token_ClusterRoleThroughRoleBinding_NamedResourceOnly()
    {
        using var api = await Account();
        await Grant(s_clusterRoles, "one-secret", """[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["mine"],"verbs":["get"]}]""", null);
        await Bind(s_bindings, "ClusterRole", "one-secret", "default");
        Assert.Null(await api.GetAsync(CoreKinds.Secrets, "default", "mine", _world.Deadline));
        await Forbidden(() => api.GetAsync(CoreKinds.Secrets, "default", "other", _world.Deadline));
        await Forbidden(() => api.GetAsync(CoreKinds.Secrets, "kube-system", "mine", _world.Deadline));
    }

    [Fact]
    public async Task Token_AccountGoneOrForged_Unauthorized()
    {
        using var api = await Account();
        using (var http = _world.Server.CreateClient())
        {
            (await http.DeleteAsync(new Uri("/api/v1/namespaces/default/serviceaccounts/prewarm", UriKind.Relative), _world.Deadline)).EnsureSuccessStatusCode();
        }

        var e = await Assert.ThrowsAsync<KubeApiException>(() => api.ListAsync(FluidKinds.Datasets, "default", null, _world.Deadline));
        Assert.Equal(HttpStatusCode.Unauthorized, e.StatusCode);
        using var forged = _world.Client("sa.00.00");
        e = await Assert.ThrowsAsync<KubeApiException>(() => forged.ListAsync(FluidKinds.Datasets, "default", null, _world.Deadline));
        Assert.Equal(HttpStatusCode.Unauthorized, e.StatusCode);
    }

    private async Task<KubeApi> Account()
    {
        using var http = _world.Server.CreateClient();
        using var body = new StringContent("""{"metadata":{"name":"prewarm"}}""");
        (await http.PostAsync(new Uri("/api/v1/namespaces/default/serviceaccounts", UriKind.Relative), body, _world.Deadline)).EnsureSuccessStatusCode();
        using var request = new StringContent("""{"spec":{"expirationSeconds":600}}""");
        using var answer = await http.PostAsync(new Uri("/api/v1/namespaces/default/serviceaccounts/prewarm/token", UriKind.Relative), request, _world.Deadline);
        return _world.Client(JsonNode.Parse(await answer.Content.ReadAsStringAsync(_world.Deadline)).Text("status", "token")!);
    }

    private Task Grant(ResourceType<JsonObject> type, string name, string rules, string? ns) =>
        _world.Api.CreateAsync(type, ns, new() { ["metadata"] = new JsonObject { ["name"] = name }, ["rules"] = JsonNode.Parse(rules) }, _world.Deadline);

    private Task Bind(ResourceType<JsonObject> type, string kind, string role, string? ns) => _world.Api.CreateAsync(type, ns, new()
    {
        ["metadata"] = new JsonObject { ["name"] = role },
        ["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = kind, ["name"] = role },
        ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["namespace"] = "default", ["name"] = "prewarm" }),
    }, _world.Deadline);

    private static async Task Forbidden(Func<Task> call) => Assert.Equal(HttpStatusCode.Forbidden, (await Assert.ThrowsAsync<KubeApiException>(call)).StatusCode);

    private static ResourceType<JsonObject> Rbac(string plural, string kind, bool namespaced) =>
        new("rbac.authorization.k8s.io", "v1", plural, kind, ClusterJson.Default.JsonObject, namespaced);
}
