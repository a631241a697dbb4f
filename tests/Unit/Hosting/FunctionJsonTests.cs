using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Invocation;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Prewarm.Tests.Unit.Hosting;

public class FunctionJsonTests
{
    [Fact]
    public void WriteAll_Functions_OneFolderEach()
    {
        var root = Directory.CreateTempSubdirectory();
        try
        {
            FunctionJson.WriteAll(new ServiceCollection().AddFunction<SpecimenFunctions>().GetFunctions(), root.FullName);
            Assert.Equal(9, root.GetDirectories().Length);
            AssertJson(
                """
                { "bindings": [
                  { "type": "httpTrigger", "authLevel": "anonymous", "direction": "in", "name": "request",
                    "methods": ["get", "options"], "route": "greet/{name}/{*rest}" },
                  { "type": "http", "direction": "out", "name": "res" } ] }
                """,
                Path.Combine(root.FullName, "Greet", "function.json"));
            AssertJson(
                """
                { "bindings": [
                  { "type": "httpTrigger", "authLevel": "function", "direction": "in", "name": "request" },
                  { "type": "http", "direction": "out", "name": "res" } ] }
                """,
                Path.Combine(root.FullName, "Unrouted", "function.json"));
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("""{"version":"2.0"}""", "api")]
    [InlineData("""{"extensions":{"http":{"routePrefix":""}}}""", "")]
    [InlineData("""{"extensions":{"http":{"routePrefix":"v1"}}, /* as the host allows */ }""", "v1")]
    public void RoutePrefix_HostJson_AsTheFunctionsHostReadsIt(string hostJson, string expected)
        => Assert.Equal(expected, RoutePrefix.Parse(Encoding.UTF8.GetBytes(hostJson), "host.json"));

    [Fact]
    public void RoutePrefix_BrokenHostJson_ErrorNamesTheFile()
        => Assert.Contains("my/host.json", Assert.Throws<InvalidOperationException>(
            () => RoutePrefix.Parse("[]"u8.ToArray(), "my/host.json")).Message, StringComparison.Ordinal);

    private static void AssertJson(string expected, string path)
    {
        var actual = File.ReadAllText(path);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), actual);
    }
}
