using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Models that <c>sandbox train</c> makes of texts nobody has tuned for; each is trained once.</summary>
internal static class TrainedModels
{
    public const string Prompt = "The keeper";

    public static readonly IReadOnlyDictionary<string, string> Texts = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["harbour"] = """
            The keeper of the lighthouse counted ships before breakfast. The keeper wrote each hull into a green ledger, and the gulls
            argued about herring until noon. When fog came the keeper rang a bronze bell twice a minute. The harbour pilots trusted the
            bell more than they trusted their charts.
            """,
        ["orchard"] = """
            The keeper of the orchard pruned pears in February. The keeper tied ribbons around grafted branches, and the bees ignored
            every ribbon. When frost came the keeper lit small stoves between the rows. The cider of that autumn tasted of smoke and quince.
            """,
        ["archive"] = """
            The keeper of the archive mended parchment with wheat paste. The keeper numbered forty boxes in violet ink, and the mice read
            none of them. When visitors came the keeper lent them cotton gloves. The oldest map showed an island which no ship ever found.
            """,
    };

    private static readonly string s_root = Directory.CreateTempSubdirectory("scenario-models-").FullName;
    private static readonly ConcurrentDictionary<string, Lazy<Task<string>>> s_folders = new(StringComparer.Ordinal);

    static TrainedModels() => AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(s_root, recursive: true);

    /// <summary>The folder of the model that has learned a text.</summary>
    public static Task<string> FolderAsync(string text) => s_folders.GetOrAdd(text, t => new(async () =>
    {
        var folder = Path.Combine(s_root, t);
        await SandboxUp.TrainAsync(Texts[t], folder);
        return folder;
    })).Value;

    /// <summary>A copy of it with the second shard's head overwritten.</summary>
    public static async Task<string> CorruptAsync(string text)
    {
        var copy = await CopyAsync(text);
        using var shard = File.OpenWrite(Directory.GetFiles(copy, "*.safetensors").Order(StringComparer.Ordinal).ElementAt(1));
        shard.Write("this is no safetensors header, it is prose"u8);
        return copy;
    }

    /// <summary>A copy of it with a file beside its weights that nobody asks for.</summary>
    public static async Task<string> LargeAsync(string text, int bytes)
    {
        var copy = await CopyAsync(text);
        await File.WriteAllBytesAsync(Path.Combine(copy, "optimizer.bin"), new byte[bytes]);
        return copy;
    }

    public static string Golden(string answer) => new JsonObject
    {
        ["request"] = new JsonObject { ["prompt"] = Prompt, ["result_length"] = 20 },
        ["expect"] = new JsonObject { ["result"] = answer },
    }.ToJsonString() + "\n";

    /// <summary>The answer holds nothing but the prompt and words of the text, and at least one word that no other text has.</summary>
    public static void AssertFrom(string text, (int Status, string Text) answer)
    {
        Assert.True(answer.Status == 200, $"{answer.Status}: {answer.Text}");
        Assert.StartsWith(Prompt, answer.Text, StringComparison.Ordinal);
        var said = Words(answer.Text);
        Assert.Subset(Words(Texts[text]), said);
        var others = Texts.Where(t => t.Key != text).SelectMany(t => Words(t.Value)).ToHashSet(StringComparer.Ordinal);
        Assert.True(said.Except(others).Any(), $"nothing that only {text} says: {answer.Text}");
    }

    private static HashSet<string> Words(string text)
    {
        var words = new HashSet<string>(StringComparer.Ordinal);
        var word = new StringBuilder();
        foreach (var c in text + " ")
        {
            if (char.IsLetter(c))
            {
                word.Append(char.ToLowerInvariant(c));
            }
            else if (word.Length > 0)
            {
                words.Add(word.ToString());
                word.Clear();
            }
        }

        return words;
    }

    private static async Task<string> CopyAsync(string text)
    {
        var copy = Path.Combine(s_root, $"copy-{Guid.NewGuid():N}");
        Directory.CreateDirectory(copy);
        foreach (var file in new DirectoryInfo(await FolderAsync(text)).GetFiles())
        {
            file.CopyTo(Path.Combine(copy, file.Name));
        }

        return copy;
    }
}
