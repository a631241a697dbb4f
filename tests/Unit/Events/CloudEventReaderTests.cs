using System.Text;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Events;
using Xunit;

namespace Prewarm.Tests.Unit.Events;

public class CloudEventReaderTests
{
    private const string Oss = """
        {"specversion":"1.0","id":"1","source":"acs.oss","type":"oss:ObjectCreated:PutObject","time":"2020-08-17T16:04:46.149Asia/Shanghai",
         "datacontenttype":"application/json;charset=utf-8","aliyunregionid":"cn-hangzhou",
         "data":{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"b"},"object":{"key":"m/模型 a+%41","size":5,"eTag":"AB"}}}}
        """;

    private static DefaultHttpContext Post(string body, string type, params (string, string)[] headers)
    {
        var context = new DefaultHttpContext();
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(body));
        context.Request.ContentType = type;
        foreach (var (name, value) in headers)
        {
            context.Request.Headers[name] = value;
        }

        return context;
    }

    private static Task<CloudEventRead> Read(DefaultHttpContext context) =>
        CloudEventReader.ReadAsync(context.Request, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10));

    [Theory]
    [InlineData("application/json;charset=utf-8")]
    [InlineData("application/cloudevents+json")]
    public async Task Read_Structured_KeepsTheRawKeyAndDropsAnUnreadableTime(string type)
    {
        var read = await Read(Post(Oss, type));
        var oss = OssObjectEvent.Parse(Assert.Single(read.Events));
        Assert.Equal(new OssObjectEvent("b", "m/模型 a+%41", "AB", 5, "ObjectCreated:PutObject"), oss);
        Assert.True(oss!.Counts);
        Assert.Null(read.Events[0].Time);
    }

    [Fact]
    public async Task Read_Batch_GivesAll() =>
        Assert.Equal(2, (await Read(Post($"[{Oss},{Oss}]", "application/cloudevents-batch+json"))).Events.Count);

    [Fact]
    public async Task Read_Binary_GivesApiServerEvent()
    {
        var read = await Read(Post("""{"kind":"DataLoad","metadata":{"name":"n","namespace":"ns","labels":{"a":"b"}}}""", "application/json",
            ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s"), ("ce-type", "dev.knative.apiserver.resource.update")));
        var parsed = ApiServerEvent.Parse(Assert.Single(read.Events))!;
        Assert.Equal(("DataLoad", "ns", "n", "b"), (parsed.Kind, parsed.Namespace, parsed.Name, parsed.Labels["a"]));
    }

    [Theory]
    [InlineData("{}", "application/json", 400)]
    [InlineData("hi", "text/plain", 400)]
    [InlineData("", "", 400)]
    [InlineData("<event/>", "application/cloudevents+xml", 415)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"oss":1,"oss":2}}""", "application/cloudevents+json", 400)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"oss":{"bucket":{"name":"\ud800"}}}}""", "application/cloudevents+json", 400)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"\udc00":1}}""", "application/cloudevents+json", 400)]
    [InlineData("{", "application/cloudevents+json", 400)]
    [InlineData("""{"specversion":"1.0"}""", "application/cloudevents+json", 400)]
    [InlineData("""{"specversion":"9"}""", "application/json", 400)]
    [InlineData("[1]", "application/cloudevents-batch+json", 400)]
    public async Task Read_Unusable_SaysWhy(string body, string type, int status)
    {
        var read = await Read(Post(body, type));
        Assert.Equal((status, false), (read.Status, read.Ok));
    }

    [Fact]
    public async Task Read_TooLarge_Is413() =>
        Assert.Equal(413, (await Read(Post(new string(' ', CloudEventReader.MaxBytes + 1), "application/json"))).Status);

    [Fact]
    public void Token_AnyOfThreePlaces_Allows()
    {
        var token = new EventToken("t");
        Assert.True(token.Allows(Post("", "", ("Authorization", "Bearer t")).Request));
        Assert.True(token.Allows(Post("", "", ("x-eventbridge-signature-token", "t")).Request));
        var query = Post("", "");
        query.Request.QueryString = new("?token=t");
        Assert.True(token.Allows(query.Request));
        Assert.False(token.Allows(Post("", "", ("Authorization", "Bearer tt")).Request));
        Assert.False(token.Allows(Post("", "").Request));
        Assert.True(new EventToken(null).Allows(Post("", "").Request));
    }

    [Fact]
    public void Handshake_Origin_IsAllowed()
    {
        var context = Post("", "", ("WebHook-Request-Origin", "eventbridge"));
        WebhookHandshake.Answer(context.Request, context.Response);
        Assert.Equal("eventbridge", context.Response.Headers["WebHook-Allowed-Origin"].ToString());
    }
}
