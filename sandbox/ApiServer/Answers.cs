using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Bodies in and out.</summary>
internal static class Answers
{
    public static async Task<string> TextAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        return await reader.ReadToEndAsync(context.RequestAborted);
    }

    public static async Task<JsonObject> BodyAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var bytes = body.ToArray();
        return Protobuf.Is(bytes) ? Protobuf.Read(bytes) : Yaml.Object(Encoding.UTF8.GetString(bytes));
    }

    public static async Task SendAsync(HttpContext context, JsonNode answer, int code = 200)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(answer);
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }

    /// <summary>An object as itself or as a Table, with the warnings of its writing.</summary>
    public static Task SendAsync(Call call, JsonObject obj, DateTimeOffset now, int code = 200)
    {
        foreach (var warning in call.Options.Warnings)
        {
            call.Http.Response.Headers.Append("Warning", $"299 - \"{warning.Replace("\"", "\\\"", StringComparison.Ordinal)}\"");
        }

        return SendAsync(call.Http, Table.Wanted(call.Http) ? Table.Of(call.Kind, [obj], now, Table.Include(call.Http)) : obj, code);
    }

    public static string Stamp(this TimeProvider time) => time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'");
}
