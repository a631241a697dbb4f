using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;

namespace Prewarm.Functions.Relay;

/// <summary>Reads <see cref="RelayOptions"/> from the configuration; what cannot be read becomes a value that validation refuses, with the setting's name.</summary>
internal static class RelaySettings
{
    public static void Read(RelayOptions o, IConfiguration configuration)
    {
        o.Gateway = Url(configuration["Gateway:Address"]);
        o.GatewayCaFile = Text(configuration["Gateway:CaFile"]);
        o.ActivityTimeout = Seconds(configuration["Gateway:ActivityTimeoutSeconds"], o.ActivityTimeout);
        var relay = configuration.GetSection("Relay");
        o.RevisionTimeout = Seconds(relay["RevisionTimeoutSeconds"], o.RevisionTimeout);
        o.HoldPerModel = Count(relay["HoldPerModel"], o.HoldPerModel);
        o.HoldTotal = Count(relay["HoldTotal"], o.HoldTotal);
        o.HoldBytes = Bytes(relay["HoldBytes"], o.HoldBytes);
        o.ReplayBytes = Count(relay["ReplayBytes"], o.ReplayBytes);
        o.ReplayTotalBytes = Bytes(relay["ReplayTotalBytes"], o.ReplayTotalBytes);
        o.RampStart = Count(relay["RampStart"], o.RampStart);
        o.MaxBodyBytes = Bytes(relay["MaxBodyBytes"], o.MaxBodyBytes);
        o.MaxHeaderBytes = Count(relay["MaxHeaderBytes"], o.MaxHeaderBytes);
        o.MaxUrlBytes = Count(relay["MaxUrlBytes"], o.MaxUrlBytes);
        o.ModelConcurrency = Count(relay["ModelConcurrency"], o.ModelConcurrency);
        o.CallerConcurrency = Count(relay["CallerConcurrency"], o.CallerConcurrency);
        o.CallerHeader = Text(relay["CallerHeader"]);
        o.Tokens = (relay["Tokens"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        o.JwtKey = Text(relay["JwtKey"]);
        o.JwtPublicKeyFile = Text(relay["JwtPublicKeyFile"]);
        o.JwtIssuer = Text(relay["JwtIssuer"]);
        o.JwtAudience = Text(relay["JwtAudience"]);
        o.Drain = Seconds(relay["DrainSeconds"], o.Drain);
        o.Grace = Seconds(relay["GraceSeconds"], o.Grace);
        o.Sink = Url(configuration["K_SINK"]);
        o.SenderTokenFile = Text(configuration["Events:SenderTokenFile"]);
    }

    /// <summary>What is wrong with the options, each with the key and the fix.</summary>
    public static IEnumerable<string> Problems(RelayOptions o)
    {
        (bool Ok, string Message)[] rules =
        [
            (o.Gateway is null or { IsAbsoluteUri: true, Scheme: "http" or "https" }, "Gateway__Address is not an http(s) URL: write it as http://host:port"),
            (o.GatewayCaFile is null || File.Exists(o.GatewayCaFile), $"Gateway__CaFile is '{o.GatewayCaFile}', which does not exist: give a PEM file"),
            (o.GatewayCaFile is null || o.Gateway is { IsAbsoluteUri: true, Scheme: "https" }, "Gateway__CaFile is set, but Gateway__Address is not https"),
            (o.ActivityTimeout > TimeSpan.Zero, "Gateway__ActivityTimeoutSeconds is not a positive number of seconds"),
            (o.RevisionTimeout > TimeSpan.Zero, "Relay__RevisionTimeoutSeconds is not a positive number of seconds"),
            (o.HoldPerModel > 0, "Relay__HoldPerModel is not a number above 0"),
            (o.HoldTotal > 0, "Relay__HoldTotal is not a number above 0"),
            (o.HoldBytes > 0, "Relay__HoldBytes is not a number of bytes above 0"),
            (o.ReplayBytes is >= 0 and <= 16 << 20, "Relay__ReplayBytes is not a number of bytes from 0 to 16777216"),
            (o.ReplayTotalBytes >= 0, "Relay__ReplayTotalBytes is not a number of bytes from 0"),
            (o.RampStart > 0, "Relay__RampStart is not a number above 0"),
            (o.MaxBodyBytes > 0, "Relay__MaxBodyBytes is not a number of bytes above 0"),
            (o.MaxHeaderBytes >= 1024, "Relay__MaxHeaderBytes is not a number of bytes from 1024"),
            (o.MaxUrlBytes >= 256, "Relay__MaxUrlBytes is not a number of bytes from 256"),
            (o.ModelConcurrency >= 0, "Relay__ModelConcurrency is not a number from 0 (no limit)"),
            (o.CallerConcurrency >= 0, "Relay__CallerConcurrency is not a number from 0 (no limit)"),
            (o.JwtKey is null || System.Text.Encoding.UTF8.GetByteCount(o.JwtKey) >= 32, "Relay__JwtKey is shorter than 32 bytes: HS256 needs as many"),
            (o.JwtPublicKeyFile is null || IsRsaKey(o.JwtPublicKeyFile), $"Relay__JwtPublicKeyFile is '{o.JwtPublicKeyFile}', which is not there or holds no RSA public key: give a PEM file"),
            (o.Drain >= TimeSpan.Zero, "Relay__DrainSeconds is not a number of seconds from 0"),
            (o.Grace >= TimeSpan.Zero, "Relay__GraceSeconds is not a number of seconds from 0"),
            (o.Sink is null or { IsAbsoluteUri: true, Scheme: "http" or "https" }, "K_SINK is not an http(s) URL"),
            (o.SenderTokenFile is null || File.Exists(o.SenderTokenFile), $"Events__SenderTokenFile is '{o.SenderTokenFile}', which does not exist: mount the ServiceAccount's token for the broker's audience there"),
        ];
        return rules.Where(r => !r.Ok).Select(r => r.Message);
    }

    private static bool IsRsaKey(string file)
    {
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(File.ReadAllText(file));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            return false;
        }
    }

    private static Uri? Url(string? text) => string.IsNullOrEmpty(text) ? null : new(text, UriKind.RelativeOrAbsolute);

    private static string? Text(string? text) => string.IsNullOrWhiteSpace(text) ? null : text;

    private static TimeSpan Seconds(string? text, TimeSpan otherwise) => string.IsNullOrEmpty(text) ? otherwise
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 1e6 ? TimeSpan.FromSeconds(value) : TimeSpan.FromSeconds(-1);

    private static int Count(string? text, int otherwise) => string.IsNullOrEmpty(text) ? otherwise
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : -1;

    private static long Bytes(string? text, long otherwise) => string.IsNullOrEmpty(text) ? otherwise
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : -1;
}
