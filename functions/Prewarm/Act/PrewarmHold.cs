using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// A hold on a Revision's pods, written on the object itself: Knative's min-scale, until when, since when and what stood there before. Who finds it expired takes it back, so that nothing stays up for ever
/// whoever made it. Metadata of a Revision may change without a new one (facts: knative revision_validation.go).
/// </summary>
/// <param name="Before">min-scale before the hold; null: there was none.</param>
internal sealed record PrewarmHold(int Pods, DateTimeOffset Since, DateTimeOffset Until, string? Before)
{
    public const string MinScale = "autoscaling.knative.dev/min-scale";
    public const string MaxScale = "autoscaling.knative.dev/max-scale";

    /// <summary>Label of what is held, so that it is found again by one list.</summary>
    public const string Label = "prewarm.dev/held";
    private const string UntilKey = "prewarm.dev/hold-until";
    private const string SinceKey = "prewarm.dev/hold-since";
    private const string BeforeKey = "prewarm.dev/min-scale-before";

    /// <summary>The hold that an object carries; null: none. One that cannot be read has expired.</summary>
    public static PrewarmHold? Of(ObjectMeta meta)
    {
        if (meta.Labels?.ContainsKey(Label) != true)
        {
            return null;
        }

        var annotations = meta.Annotations ?? [];
        return new(int.TryParse(annotations.GetValueOrDefault(MinScale), NumberStyles.None, CultureInfo.InvariantCulture, out var pods) ? pods : 0,
            Time(annotations.GetValueOrDefault(SinceKey)), Time(annotations.GetValueOrDefault(UntilKey)), annotations.GetValueOrDefault(BeforeKey) is { Length: > 0 } before ? before : null);
    }

    /// <summary>Merge patch that sets it.</summary>
    public string Patch() => Write("true", Pods.ToString(CultureInfo.InvariantCulture), Text(Until), Text(Since), Before ?? "");

    /// <summary>Merge patch that takes it back.</summary>
    public string Undo() => Write(null, Before, null, null, null);

    private static string Write(string? label, string? pods, string? until, string? since, string? before) => new JsonObject
    {
        ["metadata"] = new JsonObject
        {
            ["labels"] = new JsonObject { [Label] = label },
            ["annotations"] = new JsonObject { [MinScale] = pods, [UntilKey] = until, [SinceKey] = since, [BeforeKey] = before },
        },
    }.ToJsonString();

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static DateTimeOffset Time(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : DateTimeOffset.UnixEpoch;
}
