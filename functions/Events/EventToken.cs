using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Events;

/// <summary>The shared token of the event routes (<c>Events__Token</c>).</summary>
internal sealed class EventToken(string? token)
{
    /// <summary>The mark of the Functions host's own triggers (hosting/): nobody has sent those.</summary>
    internal const string TriggerKey = "FunctionsTrigger";

    private readonly byte[]? _hash = string.IsNullOrEmpty(token) ? null : Hash(token);

    /// <summary>False: everybody may post events.</summary>
    public bool IsSet => _hash is not null;

    /// <summary>True when no token is set, or the request carries it: as bearer, as EventBridge's token header, or as query <c>token</c>; or a timer of the Functions host is behind it.</summary>
    public bool Allows(HttpRequest request)
    {
        if (_hash is null || request.HttpContext.Items.ContainsKey(TriggerKey))
        {
            return true;
        }

        const string bearer = "Bearer ";
        var authorization = request.Headers.Authorization.ToString();
        return (authorization.StartsWith(bearer, StringComparison.OrdinalIgnoreCase) && Matches(authorization[bearer.Length..].Trim()))
            || Matches(request.Headers["x-eventbridge-signature-token"].ToString())
            || Matches(request.Query["token"].ToString());
    }

    /// <summary>Hashes have one length, so the time tells nothing about the token, not even how long it is.</summary>
    private bool Matches(string given) => given.Length > 0 && CryptographicOperations.FixedTimeEquals(Hash(given), _hash);

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
