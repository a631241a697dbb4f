using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Prewarm.Tests.Unit.Events;

/// <summary>A request with one CloudEvent in structured mode, and room for its answer.</summary>
internal static class PostedEvent
{
    public static DefaultHttpContext Of(string type, string data, string id = "1", string source = "s") => Raw(new JsonObject
    {
        ["specversion"] = "1.0",
        ["id"] = id,
        ["source"] = source,
        ["type"] = type,
        ["datacontenttype"] = "application/json",
        ["data"] = JsonNode.Parse(data),
    }.ToJsonString());

    /// <param name="body">The event as it is sent.</param>
    public static DefaultHttpContext Raw(string body, string contentType = "application/cloudevents+json")
    {
        var context = new DefaultHttpContext { RequestServices = new ServiceCollection().AddLogging().BuildServiceProvider() };
        context.Request.Method = "POST";
        context.Request.ContentType = contentType;
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(body));
        context.Response.Body = new MemoryStream();
        return context;
    }
}
