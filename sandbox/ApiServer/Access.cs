using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Who asks.</summary>
internal sealed record User(string Name, IReadOnlyList<string> Groups);

/// <summary>What is asked, as RBAC sees it. <see cref="Resource"/> has the subresource behind a slash.</summary>
internal sealed record Question(string Verb, string Group, string Resource, string? Namespace, string? Name);

/// <summary>Tokens and RBAC. The administrator is in system:masters and may do everything.</summary>
internal sealed class Access(ObjectStore store, Registry registry, string adminToken, TimeProvider time)
{
    private static readonly User s_anonymous = new("system:anonymous", ["system:unauthenticated"]);
    private static readonly string[] s_kinds = ["clusterrolebindings", "rolebindings", "clusterroles", "roles"];

    /// <summary>Answers that are remembered at most, so that they need not all be found again.</summary>
    private const int MostAnswers = 20_000;

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);

    /// <summary>What was answered at a version of RBAC's objects: every request asks, and the objects hardly ever change.</summary>
    private readonly ConcurrentDictionary<(long Version, string User, string Groups, Question Question), bool> _answers = new();

    public (string Token, DateTimeOffset Expires) Issue(string ns, string name, string uid, long seconds)
    {
        var expires = time.GetUtcNow().AddSeconds(seconds);
        var claim = Encoding.UTF8.GetBytes($"{ns}/{name}/{uid}/{expires.ToUnixTimeSeconds()}");
        return ($"sa.{Convert.ToHexStringLower(claim)}.{Convert.ToHexStringLower(HMACSHA256.HashData(_key, claim))}", expires);
    }

    /// <summary>The user of a request, or the one that the administrator impersonates; anonymous without a token; null when the token is not good.</summary>
    public User? Authenticate(HttpRequest request)
    {
        var user = Authenticate(request.Headers.Authorization.ToString());
        return request.Headers["Impersonate-User"].ToString() is { Length: > 0 } other && user?.Groups.Contains("system:masters") == true
            ? Named(other, request.Headers["Impersonate-Group"].OfType<string>())
            : user;
    }

    /// <summary>A user by name, with the groups that come with the name.</summary>
    public static User Named(string name, IEnumerable<string> groups) => name.Split(':') is ["system", "serviceaccount", var ns, _]
        ? new(name, [.. groups, "system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"])
        : new(name, [.. groups, "system:authenticated"]);

    private User? Authenticate(string header)
    {
        if (string.IsNullOrEmpty(header))
        {
            return s_anonymous;
        }

        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var token = header["Bearer ".Length..].Trim();
        if (CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), Encoding.UTF8.GetBytes(adminToken)))
        {
            return new("sandbox-admin", ["system:masters", "system:authenticated"]);
        }

        var parts = token.Split('.');
        try
        {
            var claim = parts is ["sa", _, _] ? Convert.FromHexString(parts[1]) : [];
            if (claim.Length == 0 || !CryptographicOperations.FixedTimeEquals(HMACSHA256.HashData(_key, claim), Convert.FromHexString(parts[2])))
            {
                return null;
            }

            var words = Encoding.UTF8.GetString(claim).Split('/');
            var account = store.Get(registry.Find("", "v1", "serviceaccounts")!, words[0], words[1]);
            return (string?)account?["metadata"]?["uid"] == words[2] && long.Parse(words[3]) > time.GetUtcNow().ToUnixTimeSeconds()
                ? Named($"system:serviceaccount:{words[0]}:{words[1]}", [])
                : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    public bool Allows(User user, Question question)
    {
        if (user.Groups.Contains("system:masters"))
        {
            return true;
        }

        var key = (s_kinds.Max(k => store.Latest(Find(k))), user.Name, string.Join('\n', user.Groups), question);
        if (_answers.TryGetValue(key, out var answer))
        {
            return answer;
        }

        if (_answers.Count >= MostAnswers)
        {
            _answers.Clear();
        }

        return _answers[key] = Judge(user, question);
    }

    private bool Judge(User user, Question question)
    {
        foreach (var binding in List("clusterrolebindings", null).Concat(question.Namespace is null ? [] : List("rolebindings", question.Namespace)))
        {
            var ns = (string?)binding["metadata"]?["namespace"];
            if ((binding["subjects"] as JsonArray ?? []).Any(s => Is(user, s!.AsObject(), ns))
                && (Role(binding["roleRef"]!, ns)?["rules"] as JsonArray ?? []).Any(r => Covers(r!.AsObject(), question)))
            {
                return true;
            }
        }

        return false;
    }

    private List<JsonObject> List(string plural, string? ns) => store.List(Find(plural), ns);

    private Kind Find(string plural) => registry.Find("rbac.authorization.k8s.io", "v1", plural)!;

    private JsonObject? Role(JsonNode reference, string? ns) => (string?)reference["kind"] == "ClusterRole"
        ? store.Get(Find("clusterroles"), null, (string)reference["name"]!)
        : store.Get(Find("roles"), ns, (string)reference["name"]!);

    private static bool Is(User user, JsonObject subject, string? ns) => (string?)subject["kind"] switch
    {
        "ServiceAccount" => user.Name == $"system:serviceaccount:{(string?)subject["namespace"] ?? ns}:{(string?)subject["name"]}",
        "Group" => user.Groups.Contains((string)subject["name"]!),
        _ => user.Name == (string?)subject["name"],
    };

    private static bool Covers(JsonObject rule, Question question)
    {
        bool Has(string key, string value) => (rule[key] as JsonArray ?? []).Any(v => (string?)v is { } t && (t == "*" || t == value));
        var slash = question.Resource.IndexOf('/', StringComparison.Ordinal);
        return Has("verbs", question.Verb) && Has("apiGroups", question.Group) && (Has("resources", question.Resource) || (slash > 0 && Has("resources", "*" + question.Resource[slash..])))
            && (rule["resourceNames"] is not JsonArray { Count: > 0 } || (question.Name is { } name && Has("resourceNames", name)));
    }
}
