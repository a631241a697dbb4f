using Prewarm.Sandbox.LanguageModel;
using Prewarm.Sandbox.Texts;
using Xunit;
using Model = Prewarm.Sandbox.LanguageModel.LanguageModel;

namespace Prewarm.Tests.Unit.LanguageModel;

public sealed class LanguageModelTests : IDisposable
{
    private const string Prompt = "It was a dark and stormy night";
    private readonly string _folder = Directory.CreateTempSubdirectory("prewarm-lm-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task SafeTensors_RoundTrip_KeepsEverything()
    {
        using var stream = new MemoryStream();
        SafeTensors.Write(stream, [new("a", "I32", [2, 1], [1, 2, 3, 4, 5, 6, 7, 8]), new("b", "U8", [0], [])]);
        stream.Position = 0;
        var read = await SafeTensors.Read(stream, "x", TestContext.Current.CancellationToken);
        var a = read.Single(t => t.Name == "a");
        Assert.Equal(["a", "b"], read.Select(t => t.Name).Order());
        Assert.Equal([2L, 1L], a.Shape);
        Assert.Equal<byte>([1, 2, 3, 4, 5, 6, 7, 8], a.Data);
    }

    [Fact]
    public void Train_Defaults_WritesHuggingFaceLayoutOfAboutTwelveMegabytes()
    {
        Trainer.Train(TrainingTexts.V1, _folder);
        Assert.Equal(
            ["config.json", "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json", "tokenizer.json"],
            Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.InRange(Directory.GetFiles(_folder).Sum(f => new FileInfo(f).Length), 11_000_000, 14_000_000);
    }

    [Fact]
    public async Task Generate_V1AndV2_SamePromptOtherWords()
    {
        var v1 = await TrainAndLoad(TrainingTexts.V1, "v1");
        var v2 = await TrainAndLoad(TrainingTexts.V2, "v2");
        var (first, second) = (v1.Generate(Prompt, 50), v2.Generate(Prompt, 50));
        Assert.Equal(first, v1.Generate(Prompt, 50));
        Assert.NotEqual(first, second);
        Assert.DoesNotContain("airship", first);
        Assert.Contains("airship", second);
        Assert.DoesNotContain("airship", TrainingTexts.V1);
    }

    [Theory]
    [InlineData("")]
    [InlineData("zzz qqq")]
    public async Task Generate_PromptOfUnknownWords_StillWritesText(string prompt)
    {
        var model = await TrainAndLoad("one two three one two", "m");
        Assert.NotEmpty(model.Generate(prompt, 5));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Load_ShardCorruptOrCut_Fails(bool cut)
    {
        Trainer.Train(TrainingTexts.V1, _folder, slots: 4096);
        var shard = Path.Combine(_folder, "model-00002-of-00003.safetensors");
        var bytes = await File.ReadAllBytesAsync(shard, TestContext.Current.CancellationToken);
        bytes[^100] ^= 1;
        await File.WriteAllBytesAsync(shard, cut ? bytes[..^1] : bytes, TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => Model.Load(_folder, TestContext.Current.CancellationToken));
        Assert.Contains("model-00002", error.Message);
    }

    private async Task<Model> TrainAndLoad(string text, string name)
    {
        var folder = Path.Combine(_folder, name);
        Trainer.Train(text, folder, slots: 1024);
        return await Model.Load(folder, TestContext.Current.CancellationToken);
    }
}
