using System.Text.Json.Nodes;
using Prewarm.Sandbox.LanguageModel;

namespace Prewarm.Sandbox.Story;

/// <summary>The tutorial's model in two versions, and two spoiled ones, trained when the story begins.</summary>
internal static class TutorialModel
{
    public const string Prompt = "It was a dark and stormy night";
    public const int Length = 50;

    /// <summary>Trains on one of the built-in texts and adds <c>golden.jsonl</c> with the answer that the folder itself gives.</summary>
    /// <returns>That answer.</returns>
    public static async Task<string> TrainAsync(string text, string folder, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(typeof(TutorialModel).Assembly.GetManifestResourceStream($"Texts/{text}.txt")!);
        Trainer.Train(await reader.ReadToEndAsync(cancellationToken), folder);
        var model = await LanguageModel.LanguageModel.Load(folder, cancellationToken);
        var answer = $"{Prompt} {model.Generate(Prompt, Length)}";
        var continuation = model.Generate(Prompt, Length);
        answer = continuation.Length > 0 && char.IsPunctuation(continuation[0]) ? Prompt + continuation : answer;
        WriteGolden(folder, answer);
        return answer;
    }

    public static void WriteGolden(string folder, string answer) => File.WriteAllText(Path.Combine(folder, "golden.jsonl"), new JsonObject
    {
        ["request"] = new JsonObject { ["prompt"] = Prompt, ["result_length"] = Length },
        ["expect"] = new JsonObject { ["result"] = answer },
    }.ToJsonString() + "\n");

    /// <summary>Overwrites the head of the second shard, its length kept.</summary>
    public static void CorruptShard(string folder)
    {
        using var shard = File.OpenWrite(Shards(folder)[1].FullName);
        shard.Write([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, .. "not safetensors"u8]);
    }

    public static FileInfo[] Shards(string folder) => [.. Files(folder).Where(f => f.Extension == ".safetensors")];

    public static FileInfo[] Files(string folder) => [.. new DirectoryInfo(folder).GetFiles().OrderBy(f => f.Name, StringComparer.Ordinal)];

    public static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Files(from))
        {
            file.CopyTo(Path.Combine(to, file.Name));
        }
    }
}
