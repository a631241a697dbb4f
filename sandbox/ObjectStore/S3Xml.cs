using System.Text;
using System.Xml;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>XML in and out.</summary>
internal static class S3Xml
{
    private static readonly XNamespace s_ns = "http://s3.amazonaws.com/doc/2006-03-01/";

    public static string Time(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'");

    public static Task AnswerAsync(HttpContext context, XElement body)
    {
        if (body.Name.LocalName != "Error")
        {
            foreach (var element in body.DescendantsAndSelf())
            {
                element.Name = s_ns + element.Name.LocalName;
            }
        }

        context.Response.ContentType = "application/xml";
        return context.Response.WriteAsync("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + Text(body), context.RequestAborted);
    }

    /// <summary>As S3 and Ceph write it: characters that XML 1.0 cannot hold become references all the same.</summary>
    private static string Text(XElement body)
    {
        using var text = new StringWriter();
        using (var writer = XmlWriter.Create(text, new() { CheckCharacters = false, OmitXmlDeclaration = true }))
        {
            body.WriteTo(writer);
        }

        return text.ToString();
    }

    /// <exception cref="S3Error">400 for what is no XML.</exception>
    public static async Task<XElement> ReadAsync(Blob body)
    {
        using var text = new MemoryStream();
        await foreach (var run in body.RunsAsync(64 * 1024))
        {
            text.Write(run.Span);
        }

        try
        {
            text.Position = 0;
            return XDocument.Load(text).Root!;
        }
        catch (System.Xml.XmlException)
        {
            throw new S3Error(400, "MalformedXML", "The XML you provided was not well-formed.");
        }
    }

    /// <summary>Descendants by their local name, whatever their namespace.</summary>
    public static IEnumerable<XElement> All(this XElement element, string name) => element.Descendants().Where(e => e.Name.LocalName == name);

    public static string Text(this XElement element, string name) => element.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value ?? "";

    /// <summary>Base64 tokens keep keys of any letters.</summary>
    public static string Token(string key) => Convert.ToBase64String(Encoding.UTF8.GetBytes(key));

    /// <exception cref="S3Error">400 for a token that is not ours.</exception>
    public static string Key(string token)
    {
        try
        {
            return Encoding.UTF8.GetString(Convert.FromBase64String(token));
        }
        catch (FormatException)
        {
            throw new S3Error(400, "InvalidArgument", "The continuation token provided is incorrect.");
        }
    }
}
