using System.Text.Json;
using System.Text.Json.Serialization;

namespace Prewarm.Functions.Prewarm;

/// <summary>Data of <c>dev.prewarm.traffic.observed</c>: what came to one replica of the relay in one minute.</summary>
/// <param name="Replica">Name of the replica and of its run: a container that starts again is another one.</param>
/// <param name="Minute">When the minute began, UTC.</param>
internal sealed record TrafficReport(string Replica, DateTimeOffset Minute, IReadOnlyList<ModelTraffic> Models)
{
    public const string Type = "dev.prewarm.traffic.observed";

    /// <summary>Models that one report has at most; more make more reports. About 170 bytes each, far below what brokers take (1 MiB).</summary>
    public const int MaxModels = 1000;

    /// <summary>Arrivals of one model in one minute that are believed.</summary>
    private const int MaxCount = 10_000_000;

    /// <summary>How far ahead another machine's clock may be.</summary>
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);

    /// <summary>What is wrong with the report; null: nothing.</summary>
    public string? Problem(DateTimeOffset now) =>
        string.IsNullOrEmpty(Replica) || Replica.Length > 253 ? "replica is not a name of 1 to 253 characters"
        : Minute.Offset != TimeSpan.Zero || Minute.Ticks % TimeSpan.TicksPerMinute != 0 ? "minute is not the beginning of a minute in UTC"
        : Minute > now + Ahead ? "minute is in the future"
        : Models is null || Models.Count > MaxModels ? $"models is not a list of up to {MaxModels}"
        : Models.Any(m => m is null || !m.Valid(MaxCount)) ? "a model's numbers cannot be"
        : null;
}

/// <summary>One model's minute.</summary>
/// <param name="Count">Predictions that came.</param>
/// <param name="First">When the first one came, seconds into the minute.</param>
/// <param name="Last">When the last one came, seconds into the minute.</param>
/// <param name="Served">Predictions that ended in this minute, whenever they came.</param>
/// <param name="ServiceSeconds">What those took together, without what they were held.</param>
internal sealed record ModelTraffic(string Namespace, string Name, int Count, double First, double Last, int Served, double ServiceSeconds)
{
    /// <summary>Seconds from the model's readiness to the head of the first answer, where one waited for its start; null: none did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? FirstByte { get; init; }

    /// <summary>Requests that this replica sent to the model and that are no demand: readiness questions, its own or a client's, and predictions sent again.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Others { get; init; }

    // Of one prediction.
    private const double MaxSeconds = 86_400;

    public bool Valid(int most) =>
        Namespace is { Length: > 0 and <= 253 } && Name is { Length: > 0 and <= 253 }
        && Count >= 0 && Count <= most && Served >= 0 && Served <= most && Others >= 0 && Others <= most
        && First >= 0 && First <= Last && Last < 60
        && ServiceSeconds >= 0 && ServiceSeconds <= Served * MaxSeconds
        && (FirstByte is not { } first || first is >= 0 and < 86_400);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(TrafficReport))]
internal sealed partial class TrafficJsonContext : JsonSerializerContext;
