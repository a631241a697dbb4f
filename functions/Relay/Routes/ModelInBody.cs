using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Finds the model that the body of an OpenAI request names, and leaves the body as it was: whoever reads it afterwards gets every byte.
/// 1. Mostly the name stands in what has come with the head: it is looked at in place.
/// 2. Else what is read is kept, at most <see cref="Limit"/> bytes, and given out again before the rest, which is not read here.
/// </summary>
internal static class ModelInBody
{
    /// <summary>How far into a body the model is looked for, bytes.</summary>
    public const int Limit = 1 << 20;

    public const string Missing = "the body has no \"model\": name one there, or ask at /models/NAMESPACE/NAME/openai/…";

    /// <summary>Bodies up to this length are there as a whole before they are looked at: then nobody finds another model in one than the relay did.</summary>
    private const int Whole = 64 << 10;

    /// <returns>The name, or why there is none (400).</returns>
    public static async ValueTask<(string? Model, string? Problem)> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.Headers.ContentEncoding.Count > 0 && !string.Equals(request.Headers.ContentEncoding.ToString(), "identity", StringComparison.OrdinalIgnoreCase))
        {
            return (null, $"the body is encoded ({request.Headers.ContentEncoding}), so its model cannot be read: ask at /models/NAMESPACE/NAME/openai/…");
        }

        var reader = request.BodyReader;
        var search = new ModelSearch();
        // 1
        var read = request.ContentLength is > 0 and <= Whole and var length ? await reader.ReadAtLeastAsync((int)length, cancellationToken) : await reader.ReadAsync(cancellationToken);
        if (read.Buffer.IsSingleSegment || read.IsCompleted)
        {
            var all = read.Buffer.Length <= Limit;
            var found = Search(ref search, all ? read.Buffer : read.Buffer.Slice(0, Limit), read.IsCompleted && all);
            if (found || read.IsCompleted || !all)
            {
                reader.AdvanceTo(read.Buffer.Start);
                return Result(search, read.IsCompleted && all);
            }
        }

        // 2
        var kept = new KeptPrefix(request.Body);
        request.Body = kept;
        search = new();
        while (true)
        {
            kept.Add(read.Buffer);
            reader.AdvanceTo(read.Buffer.End);
            var all = kept.Count <= Limit;
            var last = read.IsCompleted || kept.Count >= Limit;
            if ((last || search.Worthwhile(kept.Count)) && search.Continue(kept.Span[..Math.Min(kept.Count, Limit)], read.IsCompleted && all))
            {
                return Result(search, ended: false);
            }

            if (last)
            {
                return Result(search, read.IsCompleted && all);
            }

            read = await reader.ReadAsync(cancellationToken);
        }
    }

    private static bool Search(ref ModelSearch search, ReadOnlySequence<byte> buffer, bool ended)
    {
        if (buffer.IsSingleSegment)
        {
            return search.Continue(buffer.FirstSpan, ended);
        }

        var length = (int)buffer.Length;
        var copy = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            buffer.CopyTo(copy);
            return search.Continue(copy.AsSpan(0, length), ended);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private static (string?, string?) Result(ModelSearch search, bool ended) =>
        search.Model is { } model ? (model, null)
        : (null, search.Problem ?? (ended ? Missing : $"the first {Limit} bytes of the body have no \"model\": put it before what is long, or ask at /models/NAMESPACE/NAME/openai/…"));
}
