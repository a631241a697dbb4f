using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.LanguageModel;
using Prewarm.Sandbox.Predictor;
using Prewarm.Sandbox.Texts;
using Xunit;
using Model = Prewarm.Sandbox.LanguageModel.LanguageModel;

namespace Prewarm.Tests.Unit.Predictor;

public sealed class PredictorServerTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("prewarm-predictor-").FullName;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(20) };
    private PredictorServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        Trainer.Train(TrainingTexts.V1, _folder, slots: 1024);
        _server = await PredictorServer.StartAsync("bloom", await Model.Load(_folder, TestContext.Current.CancellationToken));
        _http.BaseAddress = _server.Address;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Get_Models_ListsAndTellsReady()
    {
        Assert.Equal("""{"models":["bloom"]}""", await _http.GetStringAsync("/v1/models"));
        Assert.Equal("""{"name":"bloom","ready":true}""", await _http.GetStringAsync("/v1/models/bloom"));
        Assert.Equal(HttpStatusCode.NotFound, (await _http.GetAsync("/v1/models/gpt")).StatusCode);
    }

    [Fact]
    public async Task Predict_TutorialsBody_AnswersPromptAndContinuation()
    {
        var (status, body) = await Predict("bloom", """{"prompt": "It was a dark and stormy night", "result_length": 50}""");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.StartsWith("It was a dark and stormy night, and ", (string)body["result"]!);
    }

    [Fact]
    public async Task Predict_Instances_AnswersOnePredictionEach()
    {
        var (_, body) = await Predict("bloom", """{"instances":["The keeper",{"prompt":"the sea","result_length":3}]}""");
        Assert.Equal(2, body["predictions"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("bloom", "not json", HttpStatusCode.BadRequest)]
    [InlineData("bloom", "[]", HttpStatusCode.BadRequest)]
    [InlineData("bloom", """{"prompt":1}""", HttpStatusCode.BadRequest)]
    [InlineData("bloom", """{"prompt":"a","result_length":0}""", HttpStatusCode.BadRequest)]
    [InlineData("bloom", """{"instances":[1]}""", HttpStatusCode.BadRequest)]
    [InlineData("gpt", """{"prompt":"a"}""", HttpStatusCode.NotFound)]
    public async Task Predict_BadBodyOrUnknownModel_IsRefused(string model, string body, HttpStatusCode expected)
    {
        var (status, answer) = await Predict(model, body);
        Assert.Equal(expected, status);
        Assert.NotNull(answer["error"]);
    }

    private async Task<(HttpStatusCode Status, JsonNode Body)> Predict(string model, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await _http.PostAsync($"/v1/models/{model}:predict", content);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }
}
