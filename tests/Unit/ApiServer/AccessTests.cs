using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>RBAC of a ServiceAccount's token: on the sandbox's API server, and in <c>.ci/run</c> on a real one, whose authorizer hears of a role a moment after it is made.</summary>
public sealed class AccessTests : IAsyncLifetime
{
    private static readonly ResourceType<JsonObject> s_roles = Rbac("roles", "Role", true);
    private static readonly ResourceType<JsonObject> s_bindings = Rbac("rolebindings", "RoleBinding", true);
    private static readonly ResourceType<JsonObject> s_clusterRoles = Rbac("clusterroles", "ClusterRole", false);
    private static readonly ResourceType<JsonObject> s_clusterBindings = Rbac("clusterrolebindings", "ClusterRoleBinding", false);
    private readonly ApiWorld _world = new();
    private readonly List<(ResourceType<JsonObject> Type, string Name)> _clusterWide = [];

    private string Ns => _world.Namespace;

    public ValueTask InitializeAsync() => _world.OnAnyAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var (type, name) in _clusterWide)
        {
            await _world.Api.DeleteAsync(type, null, name, null, false, CancellationToken.None);
        }

        await _world.DisposeAsync();
    }

    [Fact]
    public async Task Token_NoRole_ForbiddenAndSaysWhat()
    {
        using var api = await Account();
        var e = await Assert.ThrowsAsync<KubeApiException>(() => api.ListAsync(FluidKinds.Datasets, Ns, null, _world.Deadline));
        Assert.Equal((HttpStatusCode.Forbidden, "Forbidden"), (e.StatusCode, e.Reason));
        Assert.Equal($"datasets.data.fluid.io is forbidden: User \"system:serviceaccount:{Ns}:prewarm\" cannot list resource \"datasets\" in API group \"data.fluid.io\" in the namespace \"{Ns}\"", e.Message);
    }

    [Fact]
    public async Task Token_WithRole_DoesThatInThatNamespaceOnly()
    {
        using var api = await Account();
        await Grant(s_roles, "reader", """[{"apiGroups":["data.fluid.io"],"resources":["datasets"],"verbs":["get","list","watch"]}]""", Ns);
        await Bind(s_bindings, "Role", "reader", Ns);
        Assert.Empty((await Allowed(() => api.ListAsync(FluidKinds.Datasets, Ns, null, _world.Deadline))).Items);
        await Forbidden(() => api.ListAsync(FluidKinds.Datasets, null, null, _world.Deadline));
        await Forbidden(() => api.CreateAsync(Kinds.Datasets, Ns, _world.Dataset("a"), _world.Deadline));
        await Forbidden(() => api.ListAsync(FluidKinds.DataLoads, Ns, null, _world.Deadline));
    }

    [Fact]
    public async Task Token_StatusOnly_MayNotWriteSpec()
    {
        using var api = await Account();
        var role = $"{Ns}-status";
        await Grant(s_clusterRoles, role, """[{"apiGroups":["data.fluid.io"],"resources":["datasets/status"],"verbs":["patch"]}]""", null);
        await Bind(s_clusterBindings, "ClusterRole", role, null);
        await _world.Api.CreateAsync(Kinds.Datasets, Ns, _world.Dataset("a"), _world.Deadline);
        await Allowed(() => api.MergePatchAsync(Kinds.Datasets, Ns, "a", """{"status":{"phase":"Bound","conditions":[]}}""", "status", _world.Deadline));
        await Forbidden(() => api.MergePatchAsync(Kinds.Datasets, Ns, "a", """{"spec":{"placement":"Shared"}}""", null, _world.Deadline));
    }

    [Fact]
    public async Task Token_ClusterRoleThroughRoleBinding_NamedResourceOnly()
    {
        using var api = await Account();
        var role = $"{Ns}-one-secret";
        await Grant(s_clusterRoles, role, """[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["mine"],"verbs":["get"]}]""", null);
        await Bind(s_bindings, "ClusterRole", role, Ns);
        Assert.Null(await Allowed(() => api.GetAsync(CoreKinds.Secrets, Ns, "mine", _world.Deadline)));
        await Forbidden(() => api.GetAsync(CoreKinds.Secrets, Ns, "other", _world.Deadline));
        await Forbidden(() => api.GetAsync(CoreKinds.Secrets, "kube-system", "mine", _world.Deadline));
    }

    [Fact]
    public async Task Token_AccountGoneOrForged_Unauthorized()
    {
        using var api = await Account();
        using (var http = _world.Http())
        {
            (await http.DeleteAsync(new Uri($"/api/v1/namespaces/{Ns}/serviceaccounts/prewarm", UriKind.Relative), _world.Deadline)).EnsureSuccessStatusCode();
        }

        // A real server may take it a little longer than its account is there; it forgets within 10 s.
        await _world.UntilAsync(async () => await Refusal(() => api.ListAsync(FluidKinds.Datasets, Ns, null, _world.Deadline)) == HttpStatusCode.Unauthorized);
        using var forged = await Client(config => config[..config.IndexOf("token: ", StringComparison.Ordinal)] + "token: sa.00.00" + config[config.IndexOf("\ncontexts:", StringComparison.Ordinal)..]);
        Assert.Equal(HttpStatusCode.Unauthorized, await Refusal(() => forged.ListAsync(FluidKinds.Datasets, Ns, null, _world.Deadline)));
    }

    /// <summary>An account without any right, and a client that has its token.</summary>
    private async Task<KubeApi> Account()
    {
        using var http = _world.Http();
        using var body = new StringContent("""{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"prewarm"}}""", System.Text.Encoding.UTF8, "application/json");
        (await http.PostAsync(new Uri($"/api/v1/namespaces/{Ns}/serviceaccounts", UriKind.Relative), body, _world.Deadline)).EnsureSuccessStatusCode();
        await AccountFileAsync();
        return await Client(config => config);
    }

    private string AccountFile => Path.Combine(_world.Folder, "account");

    private async Task AccountFileAsync()
    {
        using var http = _world.Http();
        await new AccountAccess(http, _world.AdminKubeconfig).WriteKubeconfigAsync(Ns, "prewarm", AccountFile, _world.Deadline);
    }

    private async Task<KubeApi> Client(Func<string, string> change)
    {
        var file = Path.Combine(_world.Folder, $"client-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(file, change(await File.ReadAllTextAsync(AccountFile, _world.Deadline)), _world.Deadline);
        return new(KubeApiFactory.CreateHttpClient(file));
    }

    private Task Grant(ResourceType<JsonObject> type, string name, string rules, string? ns) =>
        Make(type, ns, new() { ["metadata"] = new JsonObject { ["name"] = name }, ["rules"] = JsonNode.Parse(rules) });

    private Task Bind(ResourceType<JsonObject> type, string kind, string role, string? ns) => Make(type, ns, new()
    {
        ["metadata"] = new JsonObject { ["name"] = role },
        ["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = kind, ["name"] = role },
        ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["namespace"] = Ns, ["name"] = "prewarm" }),
    });

    private async Task Make(ResourceType<JsonObject> type, string? ns, JsonObject obj)
    {
        obj["apiVersion"] = type.ApiVersion;
        obj["kind"] = type.Kind;
        await _world.Api.CreateAsync(type, ns, obj, _world.Deadline);
        if (ns is null)
        {
            _clusterWide.Add((type, obj.Text("metadata", "name")!));
        }
    }

    /// <summary>What a role that was just made allows.</summary>
    private async Task<T> Allowed<T>(Func<Task<T>> call)
    {
        T answer = default!;
        await _world.UntilAsync(async () => await Refusal(async () => answer = await call()) != HttpStatusCode.Forbidden);
        return answer;
    }

    private static async Task<HttpStatusCode?> Refusal(Func<Task> call)
    {
        try
        {
            await call();
            return null;
        }
        catch (KubeApiException e) when (e.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
        {
            return e.StatusCode;
        }
    }

    private static async Task Forbidden(Func<Task> call) => Assert.Equal(HttpStatusCode.Forbidden, (await Assert.ThrowsAsync<KubeApiException>(call)).StatusCode);

    private static ResourceType<JsonObject> Rbac(string plural, string kind, bool namespaced) =>
        new("rbac.authorization.k8s.io", "v1", plural, kind, ClusterJson.Default.JsonObject, namespaced);
}
