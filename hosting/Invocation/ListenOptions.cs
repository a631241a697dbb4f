using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;

namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>Where and how this process listens.</summary>
internal sealed record ListenOptions(IPAddress Address, int Port, HttpProtocols Protocol, bool CustomHandler, int? H2cPort = null)
{
    /// <summary>Kestrel's and the worker's default, in bytes.</summary>
    public const long MaxRequestBodySize = 30_000_000;

    /// <summary>
    /// FUNCTIONS_CUSTOMHANDLER_PORT: behind the Functions host, loopback, always HTTP/1.1 (the only thing that host speaks).
    /// Otherwise PORT (Knative's contract; 0 = a free one) on all addresses. Neither: 127.0.0.1:8080.
    /// Host:Address and Host:Protocol (http1, h2c) change the latter two. One cleartext port cannot speak both
    /// protocols: without TLS there is nothing to negotiate with. So Host:H2cPort opens another port that speaks h2c.
    /// </summary>
    public static ListenOptions Read(IConfiguration configuration)
    {
        if (configuration["FUNCTIONS_CUSTOMHANDLER_PORT"] is { Length: > 0 } handlerPort)
        {
            return new(IPAddress.Loopback, ParsePort("FUNCTIONS_CUSTOMHANDLER_PORT", handlerPort), HttpProtocols.Http1, CustomHandler: true);
        }

        var port = configuration["PORT"] is { Length: > 0 } value ? ParsePort("PORT", value) : (int?)null;
        var address = port is null ? IPAddress.Loopback : IPAddress.Any;
        if (configuration["Host:Address"] is { Length: > 0 } text && !IPAddress.TryParse(text, out address!))
        {
            throw new InvalidOperationException($"Host__Address is '{text}': give an IP address, such as 127.0.0.1.");
        }

        var protocol = configuration["Host:Protocol"]?.ToLowerInvariant() switch
        {
            null or "" or "http1" => HttpProtocols.Http1,
            "h2c" => HttpProtocols.Http2,
            var other => throw new InvalidOperationException($"Host__Protocol is '{other}': give http1 or h2c."),
        };
        var h2c = configuration["Host:H2cPort"] is { Length: > 0 } second ? ParsePort("Host__H2cPort", second) : (int?)null;
        return h2c is > 0 && h2c == (port ?? 8080)
            ? throw new InvalidOperationException($"Host__H2cPort is {h2c}, as PORT: give another one.")
            : new(address, port ?? 8080, protocol, CustomHandler: false, h2c);
    }

    public void Apply(IWebHostBuilder web) => web.ConfigureKestrel(kestrel =>
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = MaxRequestBodySize;
        kestrel.Listen(Address, Port, endpoint => endpoint.Protocols = Protocol);
        if (H2cPort is { } second)
        {
            kestrel.Listen(Address, second, endpoint => endpoint.Protocols = HttpProtocols.Http2);
        }
    });

    private static int ParsePort(string key, string value)
        => ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            ? port
            : throw new InvalidOperationException($"{key} is '{value}': give a number from 0 (a free port) to 65535.");
}
