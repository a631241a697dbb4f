using System.Text;
using System.Text.Json;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Fuzz;

/// <summary>Whatever is asked of the relay, and whatever a status says: an answer in JSON, no exception.</summary>
public sealed class RelayFuzzTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task AnyPath_AnyStatusUrl_AnAnswer()
    {
        var services = new ServiceCollection();
        // Nobody listens at the discard port: what is forwarded takes the error path too.
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Gateway:Address"] = "http://127.0.0.1:9" }).Build();
        var catalog = new MovingCatalog();
        services.AddLogging().AddSingleton<ICatalog>(catalog).AddSingleton<IHostApplicationLifetime>(new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance)).AddRelay(configuration);
        await using var provider = services.BuildServiceProvider();
        var relay = provider.GetRequiredService<RelayForwarder>();
        var statuses = new HashSet<int>();
        Gen.Select(Mutation.Of("/v1/models/bloom:predict", "/models/default/bloom/v2/models/bloom/infer", "/openai/v1/completions", "/v1/models", "/"), Mutation.Of("http://bloom.default.example.com", "http://[::1]:80/x?y", "", "urn:x")).Sample((path, url) =>
        {
            var model = RelayRouterTests.Model("default", "bloom");
            model.Status!.Url = Encoding.UTF8.GetString(url);
            model.Status.Phase = Encoding.UTF8.GetString(path);
            catalog.Current = new([model]);
            var context = new DefaultHttpContext { RequestServices = provider };
            context.Request.Method = "POST";
            context.Request.Path = new PathString("/" + Encoding.UTF8.GetString(path).TrimStart('/'));
            context.Features.Get<IHttpRequestFeature>()!.RawTarget = Encoding.UTF8.GetString(path);
            context.Request.Body = new MemoryStream(path);
            using var answer = new MemoryStream();
            context.Response.Body = answer;
            relay.RunAsync(context).WaitAsync(Limit).GetAwaiter().GetResult();
            // 500 would be an exception that somebody caught.
            Assert.True(context.Response.StatusCode is 200 or (>= 400 and < 500) or 502 or 503 or 504, $"{context.Response.StatusCode}");
            using var json = JsonDocument.Parse(answer.ToArray());
            Assert.True(context.Response.StatusCode == 200 || json.RootElement.TryGetProperty("error", out _), Encoding.UTF8.GetString(answer.ToArray()));
            statuses.Add(context.Response.StatusCode);
        }, iter: 1500, threads: 1);
        Assert.Superset(new HashSet<int> { 400, 404, 502, 503 }, statuses);
    }

    private sealed class MovingCatalog : ICatalog
    {
        public CatalogSnapshot Current { get; set; } = CatalogSnapshot.Empty;
        public Task Synced => Task.CompletedTask;
        public Task NextChange { get; } = new TaskCompletionSource().Task;
    }
}
