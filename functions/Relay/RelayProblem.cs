using System.Text.Json;
using System.Text.Json.Serialization;

namespace Prewarm.Functions.Relay;

/// <summary>The body of every answer that the relay gives in place of the model; <c>error</c> is KServe's own member for it.</summary>
internal sealed record RelayProblem(string Error)
{
    private const int MaxTold = 200;
    private const int MaxNames = 100;

    public IReadOnlyList<string>? Models { get; init; }
    public IReadOnlyList<string>? Candidates { get; init; }
    public string? Phase { get; init; }
    public string? Message { get; init; }
    public string? Cause { get; init; }

    /// <summary>What a client wrote, to be told back to it: not more of it than a person reads.</summary>
    public static string Short(string text) => text.Length <= MaxTold ? text : string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[MaxTold - 1]) ? MaxTold - 1 : MaxTold), "…");

    /// <summary>The first of the names, of which there may be ten thousand.</summary>
    public static IReadOnlyList<string> Some(IReadOnlyList<string> names) => names.Count <= MaxNames ? names : [.. names.Take(MaxNames), "…"];
}

/// <summary>Answer of GET /v1/models and GET /v2/models.</summary>
internal sealed record RelayModelList(IReadOnlyList<string> Models);

/// <summary>Answer of GET /v2 (Open Inference Protocol 2, Server Metadata).</summary>
internal sealed record RelayServer(string Name, string Version, IReadOnlyList<string> Extensions);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RelayProblem))]
[JsonSerializable(typeof(RelayModelList))]
[JsonSerializable(typeof(RelayServer))]
[JsonSerializable(typeof(OpenAIModelList))]
[JsonSerializable(typeof(OpenAIModelCard))]
[JsonSerializable(typeof(OpenAIProblem))]
[JsonSerializable(typeof(WakeRequest))]
internal sealed partial class RelayJsonContext : JsonSerializerContext;
