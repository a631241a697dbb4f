using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Events;

namespace Prewarm.Functions.Upload;

/// <param name="Path">Where it is asked, from the revision's host on; null: the model's own <c>:predict</c>.</param>
/// <param name="Request">JSON.</param>
internal sealed record GoldenQuestion(int Line, string? Path, string Request, JsonNode Expected);

/// <summary>
/// golden.jsonl: a question a line, <c>{"request": …, "expect": …}</c> with <c>"path"</c> where it is not the model's <c>:predict</c>
/// (<c>expected</c> and <c>response</c> are taken for <c>expect</c>).
/// </summary>
internal static class GoldenFile
{
    public const string Name = "golden.jsonl";

    /// <summary>Bytes.</summary>
    public const int MaxBytes = 1 << 20;

    public const int MaxLines = 100;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>All questions, or the fault that makes the file unusable.</summary>
    public static (IReadOnlyList<GoldenQuestion> Questions, string? Fault) Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxBytes)
        {
            return ([], $"{Name} is larger than {MaxBytes} bytes");
        }

        string text;
        try
        {
            text = Utf8.GetString(bytes).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException)
        {
            return ([], $"{Name} is not UTF-8");
        }

        var questions = new List<GoldenQuestion>();
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            if (questions.Count == MaxLines)
            {
                return ([], $"{Name} has more than {MaxLines} lines: leave some out");
            }

            var (question, fault) = Question(number, line.Trim());
            if (question is null)
            {
                return ([], $"{Name} line {number} {fault}");
            }

            questions.Add(question);
        }

        return questions.Count > 0 ? (questions, null) : ([], $"{Name} has no lines: write 1 to {MaxLines}, or leave the file out");
    }

    private static (GoldenQuestion? Question, string? Fault) Question(int number, string line)
    {
        JsonObject? json;
        try
        {
            json = StrictJson.Parse(line) as JsonObject;
        }
        catch (JsonException e)
        {
            return (null, $"is not readable JSON ({ObjectKeys.Printable(e.Message)})");
        }

        if (json?["request"] is not { } request || (json["expect"] ?? json["expected"] ?? json["response"]) is not { } expected)
        {
            return (null, "is not {\"request\": …, \"expect\": …}");
        }

        var path = json["path"];
        return path is not null && (path.GetValueKind() != JsonValueKind.String || !IsPath(path.GetValue<string>()))
            ? (null, $"has the path {ObjectKeys.Printable(path.ToJsonString())}: write one that begins with a single '/'")
            : (new(number, path?.GetValue<string>(), request.ToJsonString(), expected), null);
    }

    /// <summary>Nothing but a path: a golden question is asked at the model and nowhere else.</summary>
    private static bool IsPath(string path) => path.Length is > 0 and <= 1024 && path[0] == '/' && !path.StartsWith("//", StringComparison.Ordinal)
        && !path.Any(c => char.IsControl(c) || char.IsWhiteSpace(c) || c is '\\' or '#');
}
