using System.Net;
using System.Net.Security;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>What the relay takes from a client, and what it lets nobody do.</summary>
public sealed class RelayEdgeTests
{
    [Fact]
    public async Task Headers_ThatSteerTheMesh_AreTaken_AndOthersGoOn()
    {
        await using var world = await RelayWorld.StartAsync();
        IHeaderDictionary seen = null!;
        world.Predict = (context, _) =>
        {
            seen = new HeaderDictionary(context.Request.Headers.ToDictionary(h => h.Key, h => h.Value, StringComparer.OrdinalIgnoreCase));
            return Task.CompletedTask;
        };
        string[] taken = ["x-ms-invocation-id", "Knative-Serving-Revision", "Knative-Serving-Namespace", "K-Network-Probe", "X-Envoy-Retry-On", "X-Envoy-Max-Retries", "x-prewarm-heartbeat", "X-Hop", "Keep-Alive"];
        await BodyAsync(world.AskAsync("{}", default, [.. taken.Select(t => (t, "5")), ("Connection", "X-Hop"), ("X-Request-Id", "abc"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]));
        Assert.All(taken, t => Assert.False(seen.ContainsKey(t), t));
        Assert.Equal(("abc", "bloom.default.example.com"), (seen["X-Request-Id"].ToString(), seen.Host.ToString()));
        Assert.Contains("0af7651916cd43dd8448eb211c80319c", seen["traceparent"].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mark_FromOutside_DoesNotMakeAPredictionOurs()
    {
        await using var world = await RelayWorld.StartAsync();
        await BodyAsync(world.AskAsync("{}", default, (ReadinessProbe.Mark, "1")));
        Assert.Equal((0, 1), (world.Wakes, world.Predictions.Count));
    }

    [Fact]
    public async Task Body_AboveTheLimit_Is413_WhetherItTellsItsLengthOrNot()
    {
        await using var world = await RelayWorld.StartAsync(("Relay:MaxBodyBytes", "1000"));
        Assert.Contains("1000 bytes", await BodyAsync(world.AskAsync(new string('x', 1001)), HttpStatusCode.RequestEntityTooLarge), StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/models/bloom:predict") { Content = new StringContent(new string('x', 3000)) };
        request.Headers.TransferEncodingChunked = true;
        try
        {
            using var answer = await world.Http.SendAsync(request).WaitAsync(Limit);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        }
        catch (HttpRequestException)
        {
            // The server closed while the rest was on its way, and the answer was lost with it.
        }

        Assert.DoesNotContain(world.Predictions, p => p.Length > 1000);
        Assert.Equal(1000, (await BodyAsync(world.AskAsync(new string('x', 1000)))).Length);
    }

    [Theory]
    [InlineData("Request-Timeout", "soon")]
    [InlineData("Request-Timeout", "-1")]
    [InlineData("X-Request-Timeout-Ms", "0")]
    public async Task Deadline_ThatIsNone_Is400(string name, string value)
    {
        await using var world = await RelayWorld.StartAsync();
        Assert.Contains(name, await BodyAsync(world.AskAsync("{}", default, (name, value)), HttpStatusCode.BadRequest), StringComparison.Ordinal);
        Assert.Empty(world.Predictions);
    }

    [Fact]
    public void Deadline_IsTheSmallestOfWhatIsSaid_AndNeverMoreThanTheRelaysOwnRevision()
    {
        var model = RelayRouterTests.Model("default", "bloom");
        var options = new RelayOptions { RevisionTimeout = TimeSpan.FromSeconds(300) };
        RequestDeadline Read(params (string Name, string Value)[] headers)
        {
            var read = RequestDeadline.Read(new HeaderDictionary(headers.ToDictionary(h => h.Name, h => new Microsoft.Extensions.Primitives.StringValues(h.Value))), model, options, out var problem);
            Assert.Null(problem);
            return read;
        }

        Assert.Equal(new(TimeSpan.FromSeconds(295), null), Read());
        Assert.Equal(new(TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(20)), Read(("Request-Timeout", "20")));
        Assert.Equal(new(TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(1.5)), Read(("Request-Timeout", "20"), ("X-Request-Timeout-Ms", "1500")));
        Assert.Equal(new(TimeSpan.FromSeconds(295), TimeSpan.FromSeconds(4000)), Read(("Request-Timeout", "4000")));
        // What a model's status and spec say is read once: a changed model is another object.
        model = RelayRouterTests.Model("default", "bloom");
        model.Spec!.Serving.Predictor = new() { ["timeout"] = 30 };
        Assert.Equal(new(TimeSpan.FromSeconds(30), null), Read());
    }

    [Fact]
    public async Task Callers_HaveTheirOwnLimit_AndOneThatHasEndedIsForgotten()
    {
        await using var world = await RelayWorld.StartAsync(("Relay:CallerConcurrency", "2"), ("Relay:CallerHeader", "X-Forwarded-For"));
        var go = new TaskCompletionSource();
        world.Predict = (_, _) => go.Task;
        var running = new[] { world.AskAsync("a", default, ("X-Forwarded-For", "6.6.6.6, 10.0.0.1")), world.AskAsync("b", default, ("X-Forwarded-For", "7.7.7.7, 10.0.0.1")) };
        await UntilAsync(() => world.Predictions.Count == 2);
        Assert.Contains("Relay__CallerConcurrency", await BodyAsync(world.AskAsync("c", default, ("X-Forwarded-For", "10.0.0.1")), HttpStatusCode.TooManyRequests), StringComparison.Ordinal);
        var other = world.AskAsync("d", default, ("X-Forwarded-For", "10.0.0.2"));
        await UntilAsync(() => world.Predictions.Count == 3);
        go.SetResult();
        await Task.WhenAll([.. running.Select(r => BodyAsync(r)), BodyAsync(other)]);
        await UntilAsync(() => world.Services.GetRequiredService<CallerLimits>().Callers == 0);
    }

    [Fact]
    public async Task Model_HasItsLimit()
    {
        await using var world = await RelayWorld.StartAsync(("Relay:ModelConcurrency", "1"));
        var go = new TaskCompletionSource();
        world.Predict = (_, _) => go.Task;
        var first = world.AskAsync();
        await UntilAsync(() => world.Predictions.Count == 1);
        await BodyAsync(world.AskAsync(), HttpStatusCode.TooManyRequests);
        go.SetResult();
        await BodyAsync(first);
        await BodyAsync(world.AskAsync());
    }

    [Fact]
    public async Task Bearer_OnlyKnownTokensAndSignedOnes_AndTheModelNeverSeesThem()
    {
        const string key = "a key that is long enough for HS256, and for HS512 too, so that it could be taken for one";
        using var rsa = RSA.Create(2048);
        using var strange = RSA.Create(2048);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, rsa.ExportSubjectPublicKeyInfoPem());
        await using var world = await RelayWorld.StartAsync(("Relay:Tokens", "one,two"), ("Relay:JwtKey", key), ("Relay:JwtPublicKeyFile", file), ("Relay:JwtIssuer", "https://issuer"), ("Relay:JwtAudience", "prewarm"));
        var forwarded = "";
        world.Predict = (context, _) =>
        {
            forwarded += context.Request.Headers.Authorization.ToString();
            return Task.CompletedTask;
        };
        var (symmetric, now) = (new SymmetricSecurityKey(Encoding.UTF8.GetBytes(key)), TimeProvider.System.GetUtcNow().UtcDateTime);
        string Token(SecurityKey with, string algorithm, string issuer = "https://issuer", string audience = "prewarm", double minutes = 5, double from = -10, string[]? audiences = null)
        {
            var token = new SecurityTokenDescriptor
            {
                Subject = new ClaimsIdentity([new("sub", "me")]),
                Issuer = issuer,
                Audience = audiences is null ? audience : null,
                NotBefore = now.AddMinutes(from),
                Expires = now.AddMinutes(minutes),
                SigningCredentials = new(with, algorithm),
            };
            foreach (var one in audiences ?? [])
            {
                token.Audiences.Add(one);
            }

            return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
        }

        string Signed(string head, string body)
        {
            var text = $"{Base64UrlEncoder.Encode(head)}.{Base64UrlEncoder.Encode(body)}";
            return $"{text}.{Base64UrlEncoder.Encode(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.ASCII.GetBytes(text)))}";
        }

        const string always = """{"iss":"https://issuer","aud":"prewarm","exp":9999999999}""";
        string[] good = ["one", "two", Token(symmetric, SecurityAlgorithms.HmacSha256), Token(new RsaSecurityKey(rsa), SecurityAlgorithms.RsaSha256),
            Token(symmetric, SecurityAlgorithms.HmacSha256, audiences: ["other", "prewarm"]), Signed("""{"alg":"HS256","typ":"JWT"}""", always)];
        string[] bad =
        [
            "", "three", "one,two", Token(symmetric, SecurityAlgorithms.HmacSha256, issuer: "https://other"), Token(symmetric, SecurityAlgorithms.HmacSha256, audience: "other"),
            Token(symmetric, SecurityAlgorithms.HmacSha256, minutes: -5), Token(new RsaSecurityKey(strange), SecurityAlgorithms.RsaSha256),
            Token(new SymmetricSecurityKey(Encoding.UTF8.GetBytes(rsa.ExportSubjectPublicKeyInfoPem())), SecurityAlgorithms.HmacSha256), Token(symmetric, SecurityAlgorithms.HmacSha512),
            $"{Base64UrlEncoder.Encode("""{"alg":"none"}""")}.{Base64UrlEncoder.Encode(always)}.", Signed("""{"alg":"none"}""", always), Signed("""{"alg":"RS256"}""", always),
            Token(symmetric, SecurityAlgorithms.HmacSha256, audiences: ["other", "prewarm2"]), Token(symmetric, SecurityAlgorithms.HmacSha256, minutes: 20, from: 10),
            // Without an end it would be good for ever, without issuer or audience for everybody.
            Signed("""{"alg":"HS256"}""", """{"iss":"https://issuer","aud":"prewarm"}"""), Signed("""{"alg":"HS256"}""", """{"iss":"https://issuer","exp":9999999999}"""), Signed("""{"alg":"HS256"}""", """{"aud":"prewarm","exp":9999999999}"""),
            // A key that the token brings along itself.
            Signed("""{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}""", always)[..^4] + "AAAA", $"{Token(symmetric, SecurityAlgorithms.HmacSha256)}x", new string('a', 20_000),
        ];
        foreach (var token in good)
        {
            await BodyAsync(world.AskAsync("{}", default, ("Authorization", $"Bearer {token}")));
        }

        foreach (var token in bad)
        {
            using var answer = await world.AskAsync("{}", default, ("Authorization", $"Bearer {token}"));
            Assert.True(answer.StatusCode == HttpStatusCode.Unauthorized, token);
            Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
        }

        await BodyAsync(world.AskAsync(), HttpStatusCode.Unauthorized);
        File.Delete(file);
        Assert.Equal((good.Length, ""), (world.Predictions.Count, forwarded));
    }

    [Fact]
    public async Task Https_GatewayWithAPrivateCa_IsTrustedByItsOwnNameOnly()
    {
        using var authority = RSA.Create(2048);
        var (ca, now) = (new CertificateRequest("CN=private", authority, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), TimeProvider.System.GetUtcNow());
        ca.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var root = ca.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, root.ExportCertificatePem());
        await using var world = new RelayWorld();
        var names = new List<string?>();
        async Task<string> GatewayAsync(string name)
        {
            using var key = RSA.Create(2048);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            var alternative = new SubjectAlternativeNameBuilder();
            alternative.AddDnsName(name);
            request.CertificateExtensions.Add(alternative.Build());
            using var signed = request.Create(root, now.AddDays(-1), now.AddDays(1), [1, 2, 3]);
            using var paired = signed.CopyWithPrivateKey(key);
            var certificate = X509CertificateLoader.LoadPkcs12(paired.Export(X509ContentType.Pfx), null);
            var app = await world.ServeAsync(b => b.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l => l.UseHttps(h => h.ServerCertificateSelector = (_, sni) =>
            {
                names.Add(sni);
                return certificate;
            }))), world.GatewayAsync);
            return $"https://localhost:{new Uri(app.Urls.Last()).Port}/";
        }

        var model = RelayRouterTests.Model("default", "bloom");
        await world.RelayAsync(await GatewayAsync("localhost"), model, ("Gateway:CaFile", file));
        world.Scale.Set(ScaleLevel.Zero);
        Assert.Equal("{}", await BodyAsync(world.AskAsync()));
        Assert.All(names, n => Assert.Equal("localhost", n));
        world.Scale.Set(ScaleLevel.Unknown);
        await world.RelayAsync(await GatewayAsync("elsewhere"), model, ("Gateway:CaFile", file));
        await BodyAsync(world.AskAsync(), HttpStatusCode.BadGateway);
        File.Delete(file);
    }

    [Fact]
    public void Settings_ThatCannotWork_AreNamed()
    {
        var options = new RelayOptions();
        RelaySettings.Read(options, new Microsoft.Extensions.Configuration.ConfigurationManager
        {
            ["Gateway:Address"] = "gateway",
            ["Relay:HoldPerModel"] = "none",
            ["Relay:MaxBodyBytes"] = "-5",
            ["Relay:JwtKey"] = "short",
            ["Relay:DrainSeconds"] = "x",
            ["Gateway:CaFile"] = "/nowhere",
        });
        var problems = RelaySettings.Problems(options).ToList();
        Assert.All((string[])["Gateway__Address", "Relay__HoldPerModel", "Relay__MaxBodyBytes", "Relay__JwtKey", "Relay__DrainSeconds", "Gateway__CaFile"], n => Assert.Contains(problems, p => p.StartsWith(n, StringComparison.Ordinal)));
        Assert.Empty(RelaySettings.Problems(new()));
    }
}
