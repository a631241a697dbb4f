using System.Security.Cryptography;
using System.Text;

namespace Prewarm.Functions.Catalog;

/// <summary>Names of objects that follow from a model's name.</summary>
internal static class DnsName
{
    /// <summary>A DNS-1035 label of at most <paramref name="max"/> characters: the name itself where it is one, else as much of it as fits and a hash.</summary>
    public static string Of(string model, int max)
    {
        var dns = model.Replace('.', '-').ToLowerInvariant();
        if (dns.Length == 0 || !char.IsAsciiLetterLower(dns[0]))
        {
            dns = "m-" + dns;
        }

        if (dns.Length <= max && string.Equals(dns, model, StringComparison.Ordinal))
        {
            return dns;
        }

        // What was cut or changed comes back as a hash, so that two models never share a name.
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(model)))[..6];
        return $"{dns[..Math.Min(dns.Length, max - 7)].TrimEnd('-')}-{hash}";
    }
}
