using System.Text;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Pipeline;
using Prewarm.Tests.Unit.Events;
using Prewarm.Tests.Unit.Relay;
using Prometheus;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>Posts to <c>/events/oss</c> that lead to no model: the answer a sender needs, counted, and no look.</summary>
public sealed class BadEventTests : IDisposable
{
    private static readonly CachedModel Bloom = new() { Metadata = new() { Namespace = "demo", Name = "bloom" }, Spec = new() { Source = new() { Uri = "oss://ours/m", Endpoint = "e" } } };
    private readonly LineFake _line = new();
    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);

    public void Dispose() => _lifetime.StopApplication();

    [Theory]
    [InlineData("no event", "text/plain", 400, "refused")]
    [InlineData("{}", "application/json", 400, "refused")]
    [InlineData("", "application/json", 400, "refused")]
    [InlineData("{\"specversion\":\"1.0\"", "application/cloudevents+json", 400, "refused")]
    [InlineData("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{\"oss\":{\"bucket\":7}}}", "application/cloudevents+json", 400, "refused")]
    [InlineData("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{\"oss\":{},\"oss\":{}}}", "application/cloudevents+json", 400, "refused")]
    [InlineData(null, "application/cloudevents+json", 413, "refused")]
    [InlineData("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{\"eventName\":\"ObjectCreated:PutObject\",\"oss\":{\"bucket\":{\"name\":\"theirs\"},\"object\":{\"key\":\"m/v1/x\"}}}}", "application/cloudevents+json", 202, "unclaimed")]
    [InlineData("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{\"eventName\":\"ObjectCreated:PutObject\",\"oss\":{\"bucket\":{\"name\":\"ours\"},\"object\":{\"key\":\"n/v1/x\"}}}}", "application/cloudevents+json", 202, "unclaimed")]
    [InlineData("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{\"eventName\":\"ObjectCreated:UploadPart\",\"oss\":{\"bucket\":{\"name\":\"ours\"},\"object\":{\"key\":\"m/v1/x\"}}}}", "application/cloudevents+json", 202, "unclaimed")]
    public async Task Post_ThatConcernsNobody_AnsweredCountedAndNobodyLooks(string? body, string type, int status, string outcome)
    {
        var before = await CountAsync(outcome);
        Assert.Equal(status, await PostAsync(body ?? new string(' ', CloudEventReader.MaxBytes + 1), type));
        // At least: other tests of this process may post too.
        Assert.True(await CountAsync(outcome) >= before + 1, $"prewarm_events_total{{source=\"oss\",outcome=\"{outcome}\"}} was not raised");
        Assert.Empty(_line.Looks);
    }

    [Fact]
    public async Task Post_TooLargeWithoutALength_413()
    {
        Assert.Equal(413, await PostAsync(new string(' ', CloudEventReader.MaxBytes + 1), "application/cloudevents+json", length: false));
        Assert.Empty(_line.Looks);
    }

    private async Task<int> PostAsync(string body, string type, bool length = true)
    {
        var context = PostedEvent.Raw(body, type);
        context.Request.ContentLength = length ? context.Request.Body.Length : null;
        var catalog = new CatalogFake(Bloom);
        var function = new ModelUploadedFunction(new(new(null), _line, catalog, _lifetime, TimeProvider.System, NullLogger<EventDesk>.Instance), _line, catalog);
        await (await function.RunAsync(context.Request, CancellationToken.None)).ExecuteAsync(context);
        return context.Response.StatusCode;
    }

    private static async Task<double> CountAsync(string outcome)
    {
        using var text = new MemoryStream();
        await Metrics.DefaultRegistry.CollectAndExportAsTextAsync(text);
        var line = Encoding.UTF8.GetString(text.ToArray()).Split('\n').FirstOrDefault(l => l.StartsWith($"prewarm_events_total{{source=\"oss\",outcome=\"{outcome}\"}} ", StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
