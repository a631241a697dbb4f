using System.Net;

namespace Prewarm.Functions.Upload;

/// <summary>How the S3 client reaches a store (OSS: "Compatibility with Amazon S3").</summary>
/// <param name="PathStyle">OSS refuses path style with SecondLevelDomainForbidden; stores on an address or plain http need it.</param>
internal sealed record StoreEndpoint(string ServiceUrl, string Region, bool PathStyle)
{
    /// <summary>From an OSS endpoint, with or without scheme, or the URL of an S3-compatible store; null when it is neither.</summary>
    public static StoreEndpoint? Parse(string? endpoint)
    {
        if (string.IsNullOrWhiteSpace(endpoint))
        {
            return null;
        }

        var text = endpoint.Contains("://", StringComparison.Ordinal) ? endpoint : $"https://{endpoint}";
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0)
        {
            return null;
        }

        const string ossDomain = ".aliyuncs.com";
        var host = uri.Host;
        if (host.EndsWith(ossDomain, StringComparison.Ordinal))
        {
            var label = host[..^ossDomain.Length];
            label = label.StartsWith("s3.", StringComparison.Ordinal) ? label[3..] : label;
            if (label.StartsWith("oss-", StringComparison.Ordinal) && !label.Contains('.'))
            {
                var region = label[4..];
                region = region.EndsWith("-internal", StringComparison.Ordinal) ? region[..^"-internal".Length] : region;
                return new($"{uri.Scheme}://s3.{label}{ossDomain}", region, false);
            }
        }

        var pathStyle = uri.Scheme == "http" || host == "localhost" || IPAddress.TryParse(host.Trim('[', ']'), out _);
        return new(uri.GetLeftPart(UriPartial.Authority), "us-east-1", pathStyle);
    }
}
