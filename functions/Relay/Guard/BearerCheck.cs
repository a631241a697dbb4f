using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Who may ask for predictions: a bearer token of the list, or a JWT (RFC 7519) by HS256 or RS256 that is within its times and has the issuer and audience asked for.
/// With no token and no key everybody may.
/// </summary>
internal sealed class BearerCheck
{
    private const string Bearer = "Bearer ";
    private readonly byte[][] _tokens;
    private readonly TokenValidationParameters? _rules;
    private readonly JsonWebTokenHandler _handler = new();

    public BearerCheck(IOptions<RelayOptions> options)
    {
        var o = options.Value;
        _tokens = [.. o.Tokens.Select(Hash)];
        List<SecurityKey> keys = [];
        if (o.JwtKey is { } secret)
        {
            keys.Add(new SymmetricSecurityKey(Encoding.UTF8.GetBytes(secret)));
        }

        if (o.JwtPublicKeyFile is { } file)
        {
            var rsa = RSA.Create();
            rsa.ImportFromPem(File.ReadAllText(file));
            keys.Add(new RsaSecurityKey(rsa));
        }

        if (keys.Count > 0)
        {
            _rules = new()
            {
                IssuerSigningKeys = keys,
                // Each key under its own algorithm only, or a public key could be taken for a secret.
                ValidAlgorithms = [.. keys.Select(k => k is RsaSecurityKey ? SecurityAlgorithms.RsaSha256 : SecurityAlgorithms.HmacSha256)],
                RequireSignedTokens = true,
                RequireExpirationTime = true,
                ValidateIssuer = o.JwtIssuer is not null,
                ValidIssuer = o.JwtIssuer,
                ValidateAudience = o.JwtAudience is not null,
                ValidAudience = o.JwtAudience,
                ClockSkew = TimeSpan.FromSeconds(30),
            };
        }
    }

    /// <summary>False: everybody may ask.</summary>
    public bool IsSet => _tokens.Length > 0 || _rules is not null;

    /// <returns>True: the request may go on, without the header that was meant for this relay.</returns>
    public async ValueTask<bool> AllowsAsync(HttpRequest request)
    {
        var given = request.Headers.Authorization.ToString();
        if (!given.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) || !await KnownAsync(given[Bearer.Length..].Trim()))
        {
            return false;
        }

        request.Headers.Remove("Authorization");
        return true;
    }

    private async ValueTask<bool> KnownAsync(string token)
    {
        // Hashes have one length, so the time tells nothing about the tokens; all are compared for the same reason.
        var (hash, known) = (Hash(token), false);
        foreach (var one in _tokens)
        {
            known |= CryptographicOperations.FixedTimeEquals(hash, one);
        }

        return known || (_rules is not null && token.Length <= 16 << 10 && (await _handler.ValidateTokenAsync(token, _rules)).IsValid);
    }

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
