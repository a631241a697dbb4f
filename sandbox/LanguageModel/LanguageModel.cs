using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.LanguageModel;

/// <summary>A small n-gram language model, loaded from the files of a Hugging Face model folder wherever these are.</summary>
internal sealed class LanguageModel
{
    public const string IndexFile = "model.safetensors.index.json";
    private readonly Tokenizer _tokenizer;
    private readonly List<NGramTable> _tables;

    private LanguageModel(Tokenizer tokenizer, List<NGramTable> tables, long bytes) => (_tokenizer, _tables, Bytes) = (tokenizer, tables, bytes);

    /// <summary>Bytes of weights read.</summary>
    public long Bytes { get; }

    /// <summary>Loads config, tokenizer, index, then every shard that the index names, one after the other.</summary>
    /// <param name="open">Opens a file of the model folder by its name, e.g. from a cache folder or the object store.</param>
    /// <exception cref="InvalidDataException">A file is not what it should be, e.g. a corrupt shard.</exception>
    public static async Task<LanguageModel> Load(Func<string, CancellationToken, Task<Stream>> open, CancellationToken ct)
    {
        var config = await Json(open, "config.json", ct);
        var tokenizer = Tokenizer.Parse(await Json(open, "tokenizer.json", ct));
        var index = await Json(open, IndexFile, ct);
        var map = index["weight_map"] as JsonObject ?? throw new InvalidDataException($"{IndexFile} has no weight_map");
        var tensors = new Dictionary<string, Tensor>();
        foreach (var file in map.Select(p => (string)p.Value!).Distinct().Order(StringComparer.Ordinal))
        {
            await using var stream = await open(file, ct);
            foreach (var tensor in await SafeTensors.Read(stream, file, ct))
            {
                tensors[tensor.Name] = tensor;
            }
        }

        var tables = Enumerable.Range(1, (int?)config["max_order"] ?? Trainer.MaxOrder).Select(order => NGramTable.Read(order, tensors)).Reverse().ToList();
        return new(tokenizer, tables, tensors.Values.Sum(t => (long)t.Data.Length));
    }

    /// <summary>Loads from a folder.</summary>
    public static Task<LanguageModel> Load(string directory, CancellationToken ct) =>
        Load((file, _) => Task.FromResult<Stream>(File.OpenRead(Path.Combine(directory, file))), ct);

    /// <summary>
    /// Continues a prompt by a number of tokens. Greedy with backoff, the same text every time:
    /// 1. the longest known context decides; 2. a context met again takes its second choice, so that the text does not run in circles;
    /// 3. with no known context it starts again where the training text began.
    /// </summary>
    /// <returns>The continuation, without the prompt.</returns>
    public string Generate(string prompt, int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        var text = _tokenizer.Encode(prompt);
        var start = text.Count;
        var met = new Dictionary<long, int>();
        for (var i = 0; i < tokens; i++)
        {
            text.Add(Next(text, met));
        }

        return _tokenizer.Decode(text.Skip(start));
    }

    private int Next(List<int> text, Dictionary<long, int> met)
    {
        foreach (var table in _tables.Where(t => t.Order <= text.Count))
        {
            var context = CollectionsMarshal.AsSpan(text)[^table.Order..];
            var (first, second) = table.Next(context); // 1
            if (first < 0)
            {
                continue;
            }

            var key = NGramTable.Hash(context);
            met[key] = met.GetValueOrDefault(key) + 1;
            return met[key] % 2 == 0 && second >= 0 ? second : first; // 2
        }

        return Math.Min(1, _tokenizer.Count - 1); // 3
    }

    private static async Task<JsonNode> Json(Func<string, CancellationToken, Task<Stream>> open, string file, CancellationToken ct)
    {
        await using var stream = await open(file, ct);
        try
        {
            return await JsonNode.ParseAsync(stream, cancellationToken: ct) ?? throw new InvalidDataException($"{file} is null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file} is not JSON: {e.Message}", e);
        }
    }
}
