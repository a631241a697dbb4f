using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.LanguageModel;

/// <summary>Trains an n-gram model on a text and writes it as a Hugging Face model folder.</summary>
internal static class Trainer
{
    /// <summary>The longest context, in tokens.</summary>
    public const int MaxOrder = 3;

    /// <summary>Slots per table by default: 3 tables of 16-byte slots give about 12 MB.</summary>
    public const int DefaultSlots = 1 << 18;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes config.json, tokenizer.json, the shards and model.safetensors.index.json into a folder.</summary>
    /// <param name="text">The training text, at least one word.</param>
    /// <param name="directory">Made if it is not there.</param>
    /// <param name="shards">1 to 6 (there are two tensors per order).</param>
    /// <param name="slots">The least slots per table; a longer text takes more.</param>
    public static void Train(string text, string directory, int shards = 3, int slots = DefaultSlots)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shards, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shards, MaxOrder * 2);
        var tokenizer = Tokenizer.Of(text);
        var tokens = tokenizer.Encode(text);
        if (tokens.Count < 2)
        {
            throw new ArgumentException("The training text has fewer than two words.", nameof(text));
        }

        Directory.CreateDirectory(directory);
        var tensors = Enumerable.Range(1, MaxOrder).SelectMany(order => NGramTable.Train(order, tokens, slots).Tensors()).ToList();

        // Big tensors first into the emptiest shard: shards of like size, none empty.
        var bins = Enumerable.Range(0, shards).Select(_ => new List<Tensor>()).ToList();
        foreach (var tensor in tensors.OrderByDescending(t => t.Data.Length).ThenBy(t => t.Name, StringComparer.Ordinal))
        {
            bins.OrderBy(b => b.Sum(t => (long)t.Data.Length)).First().Add(tensor);
        }

        var map = new JsonObject();
        for (var i = 0; i < shards; i++)
        {
            var file = $"model-{i + 1:D5}-of-{shards:D5}.safetensors";
            using var stream = File.Create(Path.Combine(directory, file));
            SafeTensors.Write(stream, bins[i]);
            foreach (var tensor in bins[i])
            {
                map[tensor.Name] = file;
            }
        }

        Write(directory, "config.json", new JsonObject
        {
            ["architectures"] = new JsonArray("NGramForCausalLM"),
            ["model_type"] = "ngram",
            ["max_order"] = MaxOrder,
            ["vocab_size"] = tokenizer.Count,
        });
        Write(directory, "tokenizer.json", tokenizer.ToJson());
        Write(directory, LanguageModel.IndexFile, new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = tensors.Sum(t => (long)t.Data.Length) },
            ["weight_map"] = map,
        });
    }

    private static void Write(string directory, string file, JsonObject json) => File.WriteAllText(Path.Combine(directory, file), json.ToJsonString(Indented) + "\n");
}
