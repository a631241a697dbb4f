using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Eventing;
using Xunit;

namespace Prewarm.Tests.Unit.Eventing;

/// <summary>Filters, deliveries, schedules and selectors, without a network.</summary>
public sealed class EventingRulesTests
{
    [Theory]
    [InlineData("""{"filters":[{"exact":{"type":"dev.a.update"}}]}""", true)]
    [InlineData("""{"filters":[{"exact":{"type":"dev.a"}}]}""", false)]
    [InlineData("""{"filters":[{"prefix":{"type":"dev.a."}}]}""", true)]
    [InlineData("""{"filters":[{"suffix":{"type":".update"}}]}""", true)]
    [InlineData("""{"filters":[{"suffix":{"type":".add"}}]}""", false)]
    [InlineData("""{"filters":[{"exact":{"missing":"x"}}]}""", false)]
    [InlineData("""{"filters":[{"not":{"exact":{"missing":"x"}}}]}""", true)]
    [InlineData("""{"filters":[{"any":[{"exact":{"kind":"Pod"}},{"exact":{"kind":"Dataset"}}]}]}""", true)]
    [InlineData("""{"filters":[{"all":[{"prefix":{"type":"dev."}},{"exact":{"kind":"Dataset"}}]}]}""", true)]
    [InlineData("""{"filters":[{"all":[{"prefix":{"type":"dev."}},{"not":{"exact":{"kind":"Dataset"}}}]}]}""", false)]
    [InlineData("""{"filters":[{"exact":{"kind":"Dataset"}},{"exact":{"type":"other"}}]}""", false)]
    [InlineData("""{"filters":[{"exact":{"kind":"Dataset","type":"other"}}]}""", false)]
    [InlineData("""{"filters":[{"exact":{"kind":"Dataset"}}],"filter":{"attributes":{"kind":"Pod"}}}""", true)]
    [InlineData("""{"filters":[],"filter":{"attributes":{"kind":"Pod"}}}""", false)]
    [InlineData("""{"filter":{"attributes":{"kind":"Dataset","type":""}}}""", true)]
    [InlineData("""{"filter":{"attributes":{"missing":""}}}""", false)]
    [InlineData("{}", true)]
    public void Filter_AsWritten_PassesOrNot(string spec, bool passes)
    {
        var message = EventMessage.Create("dev.a.update", "/s", DateTimeOffset.UnixEpoch, null, default).With("kind", "Dataset");
        Assert.Equal(passes, EventFilter.Of(new() { ["spec"] = JsonNode.Parse(spec) }).Passes(message));
    }

    [Fact]
    public void Delivery_Waits_GrowAsThePolicySays()
    {
        var exponential = DeliverySpec.Parse(JsonNode.Parse("""{"retry":3,"backoffPolicy":"exponential","backoffDelay":"PT1S"}"""));
        Assert.Equal([1, 2, 4], Enumerable.Range(0, 3).Select(n => exponential.Wait(n, 500, null).TotalSeconds));
        var linear = DeliverySpec.Parse(JsonNode.Parse("""{"retry":3,"backoffPolicy":"linear","backoffDelay":"PT1S"}"""));
        Assert.Equal([0, 1, 2], Enumerable.Range(0, 3).Select(n => linear.Wait(n, 500, null).TotalSeconds));
        var polite = exponential with { RetryAfterMax = TimeSpan.FromSeconds(10) };
        Assert.Equal([10, 7, 1, 1],
        [
            polite.Wait(0, 429, TimeSpan.FromSeconds(60)).TotalSeconds, polite.Wait(0, 503, TimeSpan.FromSeconds(7)).TotalSeconds,
            polite.Wait(0, 500, TimeSpan.FromSeconds(7)).TotalSeconds, exponential.Wait(0, 429, TimeSpan.FromSeconds(60)).TotalSeconds,
        ]);
        Assert.Equal((10, 0.2), (DeliverySpec.Default.Retry, DeliverySpec.Default.Wait(0, 500, null).TotalSeconds));
    }

    [Theory]
    [InlineData("""{"backoffPolicy":"fast"}""")]
    [InlineData("""{"backoffPolicy":"linear","backoffDelay":"1s"}""")]
    [InlineData("""{"timeout":"soon"}""")]
    public void Delivery_Unreadable_IsRefused(string delivery) => Assert.Throws<FormatException>(() => DeliverySpec.Parse(JsonNode.Parse(delivery)));

    [Theory]
    [InlineData("* * * * *", null, "2026-11-24T10:00:00Z", "2026-11-24T10:01:00Z")]
    [InlineData("*/15 * * * * *", null, "2026-11-24T10:00:01Z", "2026-11-24T10:00:15Z")]
    [InlineData("@hourly", null, "2026-11-24T10:00:01Z", "2026-11-24T11:00:00Z")]
    [InlineData("0 9 * * *", "Asia/Shanghai", "2026-11-24T10:00:00Z", "2026-11-25T01:00:00Z")]
    [InlineData("CRON_TZ=Asia/Shanghai 0 9 * * *", null, "2026-11-24T10:00:00Z", "2026-11-25T01:00:00Z")]
    [InlineData("0 0 13 * 5", null, "2026-11-24T10:00:00Z", "2026-11-27T00:00:00Z")]
    [InlineData("0 0 25 * 5", null, "2026-11-24T10:00:00Z", "2026-11-25T00:00:00Z")]
    [InlineData("0 0 */2 * 5", null, "2026-11-24T10:00:00Z", "2026-11-27T00:00:00Z")]
    [InlineData("0 0 30 2 *", null, "2026-11-24T10:00:00Z", null)]
    public void Schedule_Next_AsCronCounts(string schedule, string? zone, string after, string? next) =>
        Assert.Equal(next is null ? null : DateTimeOffset.Parse(next), CronSchedule.Parse(schedule, zone).Next(DateTimeOffset.Parse(after)));

    [Theory]
    [InlineData("@every 1s", null)]
    [InlineData("@every_second", null)]
    [InlineData("* * * *", null)]
    [InlineData("61 * * * *", null)]
    [InlineData("* * * * *", "Nowhere/Atall")]
    public void Schedule_Unreadable_IsRefused(string schedule, string? zone) => Assert.Throws<FormatException>(() => CronSchedule.Parse(schedule, zone));

    [Fact]
    public void Selector_EveryOperator_AsAQuery()
    {
        var selector = JsonNode.Parse("""
            {"matchLabels":{"b":"2","a":"1"},"matchExpressions":[
            {"key":"c","operator":"In","values":["x","y"]},{"key":"d","operator":"NotIn","values":["z"]},{"key":"e","operator":"Exists"},{"key":"f","operator":"DoesNotExist"}]}
            """);
        Assert.Equal("a=1,b=2,c in (x,y),d notin (z),e,!f", LabelSelectors.Query(selector));
        Assert.Null(LabelSelectors.Query(new JsonObject()));
    }

    [Theory]
    [InlineData("v1", "Pod", "/api/v1/namespaces/n/pods")]
    [InlineData("serving.kserve.io/v1beta1", "InferenceService", "/apis/serving.kserve.io/v1beta1/namespaces/n/inferenceservices")]
    [InlineData("networking.k8s.io/v1", "NetworkPolicy", "/apis/networking.k8s.io/v1/namespaces/n/networkpolicies")]
    [InlineData("networking.k8s.io/v1", "Ingress", "/apis/networking.k8s.io/v1/namespaces/n/ingresses")]
    [InlineData("v1", "Endpoints", "/api/v1/namespaces/n/endpoints")]
    [InlineData("v1", "Node", "/api/v1/nodes")]
    public void Kind_Guessed_IsTheResource(string apiVersion, string kind, string path) => Assert.Equal(path, EventingKinds.Guess(apiVersion, kind).Path("n"));

    [Fact]
    public async Task Message_WrittenAndRead_IsTheSame()
    {
        var message = EventMessage.Create("t", "/s", DateTimeOffset.UnixEpoch, "application/json", Encoding.UTF8.GetBytes("""{"x":1}""")).With("subject", "模型 a%b\"");
        using var request = EventCodec.Request(message, new("http://127.0.0.1/"));
        var headers = request.Headers.Select(h => KeyValuePair.Create(h.Key, h.Value.Single()));
        var read = EventCodec.Read(headers, request.Content!.Headers.ContentType!.ToString(), await request.Content.ReadAsByteArrayAsync());
        Assert.Equal(message.Attributes.OrderBy(a => a.Key), read.Message!.Attributes.OrderBy(a => a.Key));
        Assert.Equal(message.Data.ToArray(), read.Message.Data.ToArray());
    }
}
