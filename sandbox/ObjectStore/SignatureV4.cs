using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>
/// Checks AWS Signature Version 4 in the Authorization header, then the payload as it comes: 1. canonical request, 2. string to sign, 3. signature,
/// 4. the body's own hash, or the signed chunks of <c>STREAMING-AWS4-HMAC-SHA256-PAYLOAD</c>.
/// </summary>
internal sealed class SignatureV4(string accessKeyId, string secret)
{
    private const string Algorithm = "AWS4-HMAC-SHA256";
    private const string Streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

    /// <summary>Steps 1 to 3, before anything of the body is read.</summary>
    /// <exception cref="S3Error">403 for a wrong key or signature, 400 for what OSS does not take.</exception>
    public SignedPayload Verify(HttpRequest request)
    {
        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith(Algorithm + " ", StringComparison.Ordinal))
        {
            throw new S3Error(403, "AccessDenied", "Anonymous access is forbidden.");
        }

        var fields = header[(Algorithm.Length + 1)..].Split(',', StringSplitOptions.TrimEntries)
            .Select(f => f.Split('=', 2)).Where(f => f.Length == 2).ToDictionary(f => f[0], f => f[1]);
        var credential = fields.GetValueOrDefault("Credential", "").Split('/');
        if (credential.Length != 5 || credential[0] != accessKeyId)
        {
            throw new S3Error(403, "InvalidAccessKeyId", "The access key id you provided does not exist in our records.");
        }

        var hash = request.Headers["x-amz-content-sha256"].ToString();
        if (hash.EndsWith("-TRAILER", StringComparison.Ordinal))
        {
            // OSS, and with it many a client that kept the SDK's default checksums.
            throw new S3Error(400, "InvalidArgument", "aws-chunked encoding is not supported with the specified x-amz-content-sha256 value.");
        }

        // 1
        var signed = fields.GetValueOrDefault("SignedHeaders", "");
        var target = request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var cut = target.IndexOf('?');
        var (path, query) = cut < 0 ? (target, "") : (target[..cut], target[(cut + 1)..]);
        var canonical = new StringBuilder().Append(request.Method).Append('\n')
            .Append(string.Join('/', path.Split('/').Select(s => Encode(Uri.UnescapeDataString(s))))).Append('\n')
            .AppendJoin('&', query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=', 2))
                .Select(p => (Name: Encode(Uri.UnescapeDataString(p[0])), Value: p.Length > 1 ? Encode(Uri.UnescapeDataString(p[1])) : ""))
                .OrderBy(p => p.Name, StringComparer.Ordinal).ThenBy(p => p.Value, StringComparer.Ordinal).Select(p => $"{p.Name}={p.Value}")).Append('\n');
        foreach (var name in signed.Split(';'))
        {
            canonical.Append(name).Append(':').AppendJoin(',', request.Headers[name].Select(v => string.Join(' ', (v ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)))).Append('\n');
        }

        canonical.Append('\n').Append(signed).Append('\n').Append(hash);

        // 2, 3
        var date = request.Headers["x-amz-date"].ToString();
        var scope = string.Join('/', credential[1..]);
        var key = Encoding.UTF8.GetBytes("AWS4" + secret);
        foreach (var part in credential[1..])
        {
            key = Hmac(key, part);
        }

        var signature = Hex(Hmac(key, $"{Algorithm}\n{date}\n{scope}\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())))}"));
        Same(signature, fields.GetValueOrDefault("Signature", ""));

        return new(hash, hash == Streaming ? key : null, date, scope, signature);
    }

    /// <summary>RFC 3986, as the signature wants it: everything but the unreserved characters.</summary>
    public static string Encode(string value) => Uri.EscapeDataString(value);

    /// <exception cref="S3Error">403: they differ.</exception>
    public static string Same(string computed, string given) =>
        CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(computed), Encoding.ASCII.GetBytes(given))
            ? computed
            : throw new S3Error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.");

    public static byte[] Hmac(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));

    public static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
