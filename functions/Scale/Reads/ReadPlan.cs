using System.Globalization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale.Reads;

/// <summary>A read that is to be: the node, the Job's name, and what it follows.</summary>
internal sealed record DueRead(string Node, string Job, DateTimeOffset Since);

/// <summary>Which reads a model still needs, and what one that has ended says. Pure.</summary>
internal static class ReadPlan
{
    public const string Wanted = "Read";

    /// <summary>Nodes on which one version is read at most.</summary>
    public const int MaxNodes = 16;

    /// <summary>Seconds that opening the files may take, whatever their size.</summary>
    private const double Opening = 1;

    /// <summary>
    /// 1. Only what byte accounting holds for warm: a read of anything else would fetch it, on the link that the load needs. 2. Not while the model wakes. 3. Nodes with a
    /// worker that take pods, and have not been read since the load, or since their worker started again. ACKServerless pods have no node of ours: nothing is read for them.
    /// </summary>
    public static IReadOnlyList<DueRead> Due(ModelFacts facts, DateTimeOffset now)
    {
        if (facts.Model.Spec?.Cache.Verify != Wanted || facts.Serverless
            || facts.Version is not { Dataset.Length: > 0, Digest.Length: > 0, Bytes: > 0, LoadedAt: { } loaded } version)
        {
            return [];
        }

        // 1, 2
        if (facts.ByBytes(now).Locality is Locality.Cold or Locality.Partial or Locality.Unknown
            || (facts.Autoscaler is { } autoscaler && ScaleSignal.Of(autoscaler).Level == ScaleLevel.Waking))
        {
            return [];
        }

        // 3
        return [.. (facts.WorkerNodes ?? []).Where(n => facts.OpenNodes?.Contains(n) == true).Order(StringComparer.Ordinal).Take(MaxNodes)
            .Select(n => (Node: n, Since: Since(facts, n, loaded)))
            .Where(n => Read(facts.Model, version, n.Node, n.Since) is null)
            .Select(n => new DueRead(n.Node, ReadJob.Name(facts.Model, version, n.Node, n.Since), n.Since))];
    }

    /// <summary>The read of a version on a node that still counts; null: there is none.</summary>
    public static ReadStatus? Read(CachedModel model, VersionStatus version, string node, DateTimeOffset since) =>
        model.Status?.Reads?.FindLast(r => r.Node == node && r.Digest == version.Digest && r.At >= Whole(since));

    /// <summary>The version's load, or the last start of the node's worker where that is later.</summary>
    public static DateTimeOffset Since(ModelFacts facts, string node, DateTimeOffset loaded) =>
        WorkerRestart.Latest(facts.WorkerPods.Where(p => p.Spec?.NodeName == node)) is { } restart && restart.At > loaded ? restart.At : loaded;

    /// <summary>What a Job that has ended says; null: it has not.</summary>
    /// <param name="pods">The Job's.</param>
    public static ReadStatus? Result(Job job, IReadOnlyList<Pod> pods, CachedModel model, VersionStatus version, string node)
    {
        var end = job.Status?.Conditions?.Find(c => c is { Type: "Complete" or "Failed", Status: "True" });
        if (end is null)
        {
            return null;
        }

        var status = new ReadStatus { Node = node, Version = version.Name, Digest = version.Digest, Result = "Failed", At = job.Metadata.CreationTimestamp };
        var said = pods.Select(p => p.Status?.ContainerStatuses?.Find(c => c.Name == ReadJob.Container)?.State?.Terminated).FirstOrDefault(t => t is not null)?.Message;
        if (Parse(said) is not var (bytes, seconds))
        {
            status.Message = $"the read on {node} told nothing: {end.Reason} {end.Message} {said}".TrimEnd();
            return status;
        }

        (status.Bytes, status.Seconds) = (bytes, Math.Round(seconds, 2));
        if (bytes < version.Bytes)
        {
            status.Message = $"{ByteSize.Format(bytes)} of {ByteSize.Format(version.Bytes!.Value)} came on {node}";
            return status;
        }

        var floor = Quantity.Parse(model.Spec!.Cache.ReadFloor) ?? 0;
        var slow = floor > 0 && seconds > (bytes / floor) + Opening;
        status.Result = slow ? "Slow" : "Passed";
        status.Message = string.Create(CultureInfo.InvariantCulture, $"{ByteSize.Format(bytes)} in {seconds:0.00} s on {node}{(slow ? $", slower than {model.Spec.Cache.ReadFloor}B/s" : "")}");
        return status;
    }

    private static (long Bytes, double Seconds)? Parse(string? message) =>
        message?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is [var bytes, var begin, var end]
            && long.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && double.TryParse(begin, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var from)
            && double.TryParse(end, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var to) && to >= from
            ? (count, to - from) : null;

    // The API server's own times are whole seconds.
    private static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());
}
