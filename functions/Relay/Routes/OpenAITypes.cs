using System.Text.Json.Serialization;

namespace Prewarm.Functions.Relay;

/// <summary>Answer of GET /openai/v1/models (OpenAI API reference, Models).</summary>
internal sealed record OpenAIModelList(string Object, IReadOnlyList<OpenAIModelCard> Data);

/// <param name="Created">Unix seconds.</param>
/// <param name="OwnedBy">The model's namespace.</param>
internal sealed record OpenAIModelCard(string Id, string Object, long Created, [property: JsonPropertyName("owned_by")] string OwnedBy);

/// <summary>The body of an answer in place of the model's to an OpenAI client (OpenAI API reference, Error codes).</summary>
internal sealed record OpenAIProblem(OpenAIError Error);

/// <param name="Param">The member of the request that is wrong; null: none is.</param>
/// <param name="Candidates">Addresses of the models that may be meant; clients that do not know it skip it.</param>
internal sealed record OpenAIError(
    string Message,
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Param,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Code,
    IReadOnlyList<string>? Candidates);
