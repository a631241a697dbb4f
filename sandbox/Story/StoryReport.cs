using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.Story;

/// <summary>One step, as it went.</summary>
internal sealed record StoryStep(string Name, bool Passed, double Seconds, string Detail);

/// <summary>What the story measured, in the form that <c>--report</c> writes.</summary>
internal sealed class StoryReport
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public List<StoryStep> Steps { get; } = [];

    /// <summary>Seconds by name.</summary>
    public SortedDictionary<string, double> Timings { get; } = new(StringComparer.Ordinal);

    /// <summary>Counted at the object store; null as long as nothing was measured.</summary>
    public long? ColdBytes { get; set; }

    public long? WarmBytes { get; set; }

    /// <summary>How often the functions had to be started again; 0 unless a fault kills them.</summary>
    public int Restarts { get; set; }

    public SortedSet<string> Objects { get; } = new(StringComparer.Ordinal);

    public bool Passed => Steps.Count > 0 && Steps.TrueForAll(s => s.Passed);

    public string ToJson() => new JsonObject
    {
        ["passed"] = Passed,
        ["steps"] = new JsonArray([.. Steps.Select(s => (JsonNode)new JsonObject
        {
            ["name"] = s.Name, ["passed"] = s.Passed, ["seconds"] = Math.Round(s.Seconds, 3), ["detail"] = s.Detail,
        })]),
        ["timings"] = new JsonObject(Timings.Select(t => KeyValuePair.Create(t.Key, (JsonNode?)Math.Round(t.Value, 3)))),
        ["remoteBytes"] = new JsonObject { ["cold"] = ColdBytes, ["warm"] = WarmBytes },
        ["functionsRestarts"] = Restarts,
        ["objects"] = new JsonArray([.. Objects.Select(o => (JsonNode)o)]),
    }.ToJsonString(s_indented);

    public static string Seconds(double seconds) => seconds.ToString(seconds < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture) + " s";
}
