using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Prewarm.Tests.Unit.Hosting;

/// <summary>What the Functions host asks of a custom handler (facts: Azure Functions custom handlers, WebJobs.Script's HttpWorker), on a really started process of ours.</summary>
public sealed class CustomHandlerTests
{
    private const string Timer = """
        {"Data":{"myTimer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},
         "Metadata":{"sys":{"MethodName":"Tick","UtcNow":"2026-11-24T02:15:40Z","RandGuid":"7c1f"}}}
        """;

    private static CancellationToken Ends => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Readiness_RootAnswersAtOnce()
    {
        await using var app = await StartAsync();
        using var answer = await app.Client.GetAsync(new Uri("/", UriKind.Relative), Ends);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Forwarded_Request_ArrivesAsItWas_AndSoDoesTheAnswer()
    {
        await using var app = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Put, "/fn/echo/ada?q=1") { Content = new StringContent("{}", Encoding.UTF8, "application/cloudevents+json") };
        request.Headers.Add("ce-id", "7");
        request.Headers.Add("X-Azure-Functions-InvocationId", "given");
        using var answer = await app.Client.SendAsync(request, Ends);
        Assert.Equal((HttpStatusCode.MultiStatus, "7"), (answer.StatusCode, answer.Headers.GetValues("X-Echo").Single()));
        Assert.Equal("PUT /fn/echo/ada?q=1 ada application/cloudevents+json; charset=utf-8 {}", await answer.Content.ReadAsStringAsync(Ends));
    }

    [Fact]
    public async Task Forwarded_Options_ReachesTheFunction()
    {
        await using var app = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Options, "/fn/greet/ada");
        using var answer = await app.Client.SendAsync(request, Ends);
        Assert.StartsWith("OPTIONS hello ada", await answer.Content.ReadAsStringAsync(Ends), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Forwarded_ServerSentEvents_LeaveAsTheyAreWritten()
    {
        await using var app = await StartAsync();
        using var answer = await app.Client.GetAsync(new Uri("/fn/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Ends);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Ends));
        Assert.Equal("data: one", await reader.ReadLineAsync(Ends));
        TriggeredFunctions.Heard.Release();
        Assert.Equal("\ndata: two\n\n", await reader.ReadToEndAsync(Ends));
    }

    [Fact]
    public async Task Timer_Payload_RunsTheFunctionOnAnEvent_WithoutACallersToken()
    {
        await using var app = await StartAsync();
        using var answer = await PostAsync(app, "/Tick", Timer);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        AssertJson("""{"Outputs":{},"Logs":[],"ReturnValue":null}""", await answer.Content.ReadAsStringAsync(Ends));

        // Whoever comes by the function's own route is a caller.
        using var caller = await PostAsync(app, "/fn/events/tick", Timer);
        Assert.Equal(HttpStatusCode.Unauthorized, caller.StatusCode);
    }

    [Fact]
    public async Task Timer_FunctionSaysLater_TheHostSeesAFailure()
    {
        await using var app = await StartAsync();
        using var answer = await PostAsync(app, "/Late", Timer);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "later"), (answer.StatusCode, await answer.Content.ReadAsStringAsync(Ends)));
    }

    [Theory]
    [InlineData("application/json", """{"a":1}""", """{"a":1}""")]
    [InlineData("application/octet-stream", "AAEC", "\0\u0001\u0002")]
    public async Task HttpPayload_IsTheRequestThatItTellsOf_AndTheAnswerItsOutput(string type, string body, string arrives)
    {
        await using var app = await StartAsync();
        var payload = new JsonObject
        {
            ["Data"] = new JsonObject
            {
                ["req"] = new JsonObject
                {
                    ["Url"] = "http://127.0.0.1:7073/fn/echo/b?q=1",
                    ["Method"] = "PATCH",
                    ["Query"] = new JsonObject { ["q"] = "1" },
                    ["Headers"] = new JsonObject { ["Content-Type"] = new JsonArray(type), ["ce-id"] = new JsonArray("7") },
                    ["Params"] = new JsonObject { ["name"] = "b" },
                    ["Body"] = body,
                },
            },
            ["Metadata"] = new JsonObject(),
        };
        using var answer = await PostAsync(app, "/Echo", payload.ToJsonString());
        var output = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ends))!["Outputs"]!["res"]!;
        Assert.Equal((HttpStatusCode.OK, 207, "7"), (answer.StatusCode, (int)output["statusCode"]!, (string?)output["headers"]!["X-Echo"]));
        Assert.Equal($"PATCH /fn/echo/b?q=1 b {type} {arrives}", (string?)output["body"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("""{"Metadata":{}}""")]
    [InlineData("""{"Data":{"req":{"Method":"POST","Headers":{"Content-Type":["application/octet-stream"]},"Body":"no base64!"}}}""")]
    public async Task Payload_ThatIsNone_Is400(string payload)
    {
        await using var app = await StartAsync();
        using var answer = await PostAsync(app, "/Echo", payload);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Payload_OutsideTheFunctionsHost_IsNoRoute()
    {
        var builder = RunningApp.Builder(RunningApp.Direct());
        builder.Services.AddFunction<TriggeredFunctions>();
        await using var app = await RunningApp.StartAsync(builder);
        using var answer = await PostAsync(app, "/Tick", Timer);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    private static Task<RunningApp> StartAsync()
    {
        var builder = RunningApp.Builder("--FUNCTIONS_CUSTOMHANDLER_PORT=0", "--AzureFunctionsJobHost:extensions:http:routePrefix=fn");
        builder.Services.AddFunction<TriggeredFunctions>();
        return RunningApp.StartAsync(builder);
    }

    private static Task<HttpResponseMessage> PostAsync(RunningApp app, string path, string json) =>
        app.Client.PostAsync(new Uri(path, UriKind.Relative), new StringContent(json, Encoding.UTF8, "application/json"), Ends);

    private static void AssertJson(string expected, string actual) => Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), actual);
}
