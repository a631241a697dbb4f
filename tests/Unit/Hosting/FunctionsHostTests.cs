using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Prewarm.Tests.Unit.Hosting;

public class FunctionsHostTests
{
    [Theory]
    [InlineData("GET", "/fn/greet/ada", "GET hello ada - Greet True")]
    [InlineData("OPTIONS", "/fn/greet/ada/x/y", "OPTIONS hello ada x/y Greet True")]
    [InlineData("GET", "/fn/Unrouted", "HTTP/1.1")]
    [InlineData("DELETE", "/fn/unrouted", "HTTP/1.1")]
    [InlineData("GET", "/fn/elsewhere", "caught /fn/elsewhere")]
    public async Task Route_PrefixAndTemplate_ReachesFunction(string method, string path, string expected)
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct());
        using var response = await app.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(expected, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Route_MethodOrPrefixNotListed_Refused()
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct("--FUNCTIONS=Greet"));
        using var post = await app.Client.PostAsync("/fn/greet/ada", null);
        using var unprefixed = await app.Client.GetAsync("/greet/ada");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, unprefixed.StatusCode);
    }

    [Theory]
    [InlineData("WritesItself", HttpStatusCode.Accepted, "mine")]
    [InlineData("ReturnsText", HttpStatusCode.NoContent, "")]
    [InlineData("Throws", HttpStatusCode.InternalServerError, "")]
    public async Task Result_NotAnIResult_ResponseAsTheFunctionLeftIt(string function, HttpStatusCode status, string body)
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct());
        using var response = await app.Client.GetAsync("/fn/" + function);
        Assert.Equal(status, response.StatusCode);
        Assert.Equal(body, await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData(1000, false, HttpStatusCode.OK)]
    [InlineData(1001, false, HttpStatusCode.RequestEntityTooLarge)]
    [InlineData(900, true, HttpStatusCode.OK)] // Kestrel counts the chunks' framing too
    [InlineData(5000, true, HttpStatusCode.RequestEntityTooLarge)]
    public async Task Body_AroundTheFunctionsLimit_413Above(int length, bool chunked, HttpStatusCode expected)
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct());
        using var request = new HttpRequestMessage(HttpMethod.Post, "/fn/Small") { Content = new ByteArrayContent(new byte[length]) };
        request.Headers.TransferEncodingChunked = chunked;
        using var response = await app.Client.SendAsync(request);
        Assert.Equal(expected, response.StatusCode);
    }

    [Fact]
    public async Task Body_AboveTheDefaultLimitAndNeverRead_413()
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct());
        using var request = new HttpRequestMessage(HttpMethod.Post, "/fn/Unlimited") { Content = new ByteArrayContent(new byte[30_000_001]) };
        request.Headers.ExpectContinue = true;
        using var response = await app.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }

    [Fact]
    public async Task CustomHandler_Root_200BeforeAnyCatchAll()
    {
        await using var app = await RunningApp.StartAsync(
            "--FUNCTIONS_CUSTOMHANDLER_PORT=0", "--PORT=1", "--AzureFunctionsJobHost:extensions:http:routePrefix=");
        Assert.StartsWith("http://127.0.0.1:", app.Address, StringComparison.Ordinal);
        Assert.Equal("", await app.Client.GetStringAsync("/"));
        Assert.Equal("caught /x", await app.Client.GetStringAsync("/x"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task InvocationId_FromAHeader_OnlyBehindTheFunctionsHost(bool customHandler)
    {
        await using var app = await RunningApp.StartAsync(customHandler
            ? ["--FUNCTIONS_CUSTOMHANDLER_PORT=0", "--AzureFunctionsJobHost:extensions:http:routePrefix=fn"]
            : RunningApp.Direct());
        app.Client.DefaultRequestHeaders.Add("X-Azure-Functions-InvocationId", "given");
        var words = (await app.Client.GetStringAsync("/fn/Invocation")).Split(' ');
        Assert.Equal(customHandler, words[0] == "given");
        Assert.Equal(["True", "False"], words[1..]);
    }

    [Fact]
    public async Task Middleware_Added_RunsAroundTheFunction()
    {
        var builder = RunningApp.Builder(RunningApp.Direct());
        builder.UseMiddleware((context, next) =>
        {
            context.Items["seen"] = true;
            return next();
        });
        await using var app = await RunningApp.StartAsync(builder);
        Assert.EndsWith("True True", await app.Client.GetStringAsync("/fn/Invocation"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Protocol_H2c_SpeaksHttp2InCleartext()
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct("--Host:Protocol=h2c"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/fn/Unrouted")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var response = await app.Client.SendAsync(request);
        Assert.Equal("HTTP/2", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task H2cPort_BesideTheFirst_BothSpeakTheirOwn()
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct("--Host:H2cPort=0"));
        Assert.Equal("HTTP/1.1", await app.Client.GetStringAsync("/fn/Unrouted"));
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(app.H2cAddress + "/fn/Unrouted"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var response = await app.Client.SendAsync(request);
        Assert.Equal("HTTP/2", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Start_Port0_LogsTheBoundAddressInOneLine()
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct());
        Assert.Null(app.H2cAddress);
        Assert.Contains("Listening on " + app.Address, app.Log.Lines);
        Assert.False(app.Address.EndsWith(":0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Functions_OneSelected_OthersNotServed()
    {
        await using var app = await RunningApp.StartAsync(RunningApp.Direct("--FUNCTIONS= unrouted ,Greet"));
        Assert.Equal("HTTP/1.1", await app.Client.GetStringAsync("/fn/Unrouted"));
        using var other = await app.Client.GetAsync("/fn/WritesItself");
        Assert.Equal(HttpStatusCode.NotFound, other.StatusCode);
    }

    [Theory]
    [InlineData("--FUNCTIONS=Greet,Nope", "unknown functions: Nope. Known: CatchAll, Greet,")]
    [InlineData("--PORT=http", "PORT is 'http'")]
    [InlineData("--Host:Protocol=h3", "Host__Protocol is 'h3': give http1 or h2c")]
    [InlineData("--Host:H2cPort=x", "Host__H2cPort is 'x'")]
    [InlineData("--Host:Address=localhost", "Host__Address is 'localhost'")]
    public void Build_InvalidSetting_ErrorNamesKeyValueAndFix(string setting, string expected)
    {
        var builder = RunningApp.Builder(RunningApp.Direct(setting));
        Assert.Contains(expected, Assert.Throws<InvalidOperationException>(builder.Build).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Build_WithoutWebApplicationOrTwice_Error()
    {
        Assert.Throws<InvalidOperationException>(FunctionsApplication.CreateBuilder([]).Build);
        var builder = RunningApp.Builder(RunningApp.Direct());
        builder.Build().Dispose();
        Assert.Throws<InvalidOperationException>(builder.Build);
    }

    [Fact]
    public void AddFunction_WhatCannotBeBound_ErrorNamesTheFunction()
    {
        var services = new ServiceCollection();
        Assert.Contains("'Number'", Assert.Throws<InvalidOperationException>(() => services.AddFunction<UnboundNumber>()).Message, StringComparison.Ordinal);
        Assert.Contains("'NoTrigger'", Assert.Throws<InvalidOperationException>(() => services.AddFunction<NoTrigger>()).Message, StringComparison.Ordinal);
        Assert.Contains("Task<IResult>", Assert.Throws<InvalidOperationException>(() => services.AddFunction<NarrowTask>()).Message, StringComparison.Ordinal);
    }

    private sealed class UnboundNumber
    {
        [Function("Number")]
        public static IResult Run([HttpTrigger(AuthorizationLevel.Anonymous, Route = "n/{number}")] HttpRequest request, int number)
            => TypedResults.Text(request.Path + number);
    }

    private sealed class NoTrigger
    {
        [Function("NoTrigger")]
        public static void Run(HttpRequest request) => ArgumentNullException.ThrowIfNull(request);
    }

    private sealed class NarrowTask
    {
        [Function("Narrow")]
        public static Task<Microsoft.AspNetCore.Http.HttpResults.Ok> Run([HttpTrigger(AuthorizationLevel.Anonymous)] HttpRequest request)
            => request is null ? throw new ArgumentNullException(nameof(request)) : Task.FromResult(TypedResults.Ok());
    }
}
