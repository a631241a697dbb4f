using System.Buffers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Prewarm.Functions.Relay;

/// <summary>
/// The target of a request as its client wrote it (RFC 9112 section 3.2). Server, relay, mesh and model server each read a path in their own way,
/// so one that two of them could read differently is refused, and any other is forwarded byte for byte.
/// </summary>
internal static class RequestTarget
{
    /// <summary>Backslashes are slashes to some (WHATWG URL), '#' begins what no server should see, '%' needs a closer look.</summary>
    private static readonly SearchValues<char> s_suspicious = SearchValues.Create("\\#%");

    /// <summary>Path and query; of the absolute form only these, because the Host is ours anyway.</summary>
    public static string Of(HttpContext context)
    {
        var raw = context.Features.Get<IHttpRequestFeature>()?.RawTarget;
        if (string.IsNullOrEmpty(raw))
        {
            return context.Request.Path + context.Request.QueryString;
        }

        if (raw[0] == '/')
        {
            return raw;
        }

        var scheme = raw.IndexOf("://", StringComparison.Ordinal);
        if (scheme < 0)
        {
            return raw;
        }

        var path = raw.AsSpan(scheme + 3).IndexOfAny('/', '?');
        return path < 0 ? "/" : raw[scheme + 3 + path] == '/' ? raw[(scheme + 3 + path)..] : "/" + raw[(scheme + 3 + path)..];
    }

    /// <summary>The path alone.</summary>
    public static ReadOnlySpan<char> PathOf(string target) => target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? target.AsSpan(0, query) : target;

    /// <summary>Why a target is not one that everybody reads alike; null: it is. A number sign would end it for some, in the query too.</summary>
    public static string? Problem(string target) => Problem(PathOf(target)) ?? (target.Contains('#', StringComparison.Ordinal) ? "the query has a number sign" : null);

    /// <summary>Why a path is not one that everybody reads alike; null: it is. One slash at the end is nobody's trouble.</summary>
    public static string? Problem(ReadOnlySpan<char> path)
    {
        if (path.IsEmpty || path[0] != '/')
        {
            return "the path does not begin with a slash";
        }

        if (path.Contains("//", StringComparison.Ordinal))
        {
            return "the path has an empty segment";
        }

        // A dot segment has a dot right behind a slash.
        if ((path.Contains("/.", StringComparison.Ordinal) || path.Contains("/%2", StringComparison.Ordinal)) && HasDotSegment(path))
        {
            return "the path has a dot segment";
        }

        for (var at = path.IndexOfAny(s_suspicious); at >= 0;)
        {
            if (path[at] != '%')
            {
                return path[at] == '#' ? "the path has a number sign" : "the path has a backslash";
            }

            if (path.Length < at + 3 || !char.IsAsciiHexDigit(path[at + 1]) || !char.IsAsciiHexDigit(path[at + 2]))
            {
                return "a percent sign in the path is not followed by two hexadecimal digits";
            }

            // What a second decoding, or a decoding before the split at slashes, would turn into another path.
            if (Decoded(path, at) is '/' or '\\' or '%' or < ' ' or '\x7f')
            {
                return string.Concat("the path has ", path.Slice(at, 3), ", which not everybody reads alike");
            }

            var next = path[(at + 3)..].IndexOfAny(s_suspicious);
            at = next < 0 ? -1 : at + 3 + next;
        }

        return null;
    }

    private static bool HasDotSegment(ReadOnlySpan<char> path)
    {
        foreach (var range in path.Split('/'))
        {
            var segment = path[range];
            var dots = 0;
            while (!segment.IsEmpty && dots < 3)
            {
                var dot = segment[0] == '.' ? 1 : segment.StartsWith("%2e", StringComparison.OrdinalIgnoreCase) ? 3 : 0;
                if (dot == 0)
                {
                    break;
                }

                dots++;
                segment = segment[dot..];
            }

            if (segment.IsEmpty && dots is 1 or 2)
            {
                return true;
            }
        }

        return false;
    }

    private static int Decoded(ReadOnlySpan<char> path, int at) => Convert.FromHexString(path.Slice(at + 1, 2))[0];
}
