using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale.Reads;

/// <summary>
/// Has versions read on the nodes of their cache, under <c>cache.verify: Read</c>: at most one read of a model and four in all at a time. Looks whenever a model's state changes,
/// and every two seconds while a read is due or runs.
/// </summary>
internal sealed class ReadLoop(ScaleBoard board, IKubeApi api, IOptions<ScaleOptions> options, TimeProvider time, ILogger<ReadLoop> logger) : BackgroundService
{
    /// <summary>Reads at a time, over all models that this process sees.</summary>
    public const int MaxRunning = 4;

    private static readonly TimeSpan Busy = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(1);
    private readonly ReadWriter _writer = new(api);
    private string? _said;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                var next = board.NextChange;
                var busy = await TickAsync(stoppingToken);
                if (!busy)
                {
                    using var quiet = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                    await Task.WhenAny(next, Task.Delay(Idle, time, quiet.Token));
                    await quiet.CancelAsync();
                }

                // A flood of changes is one look.
                await Task.Delay(Busy, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends.
        }
    }

    /// <summary>One look: 1. results into the status; 2. Jobs for what is due. True while there is more to come.</summary>
    internal async Task<bool> TickAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var wanted = board.All(m => m.Spec?.Cache.Verify == ReadPlan.Wanted && m.Metadata.DeletionTimestamp is null)
            .Select(f => (Facts: f, Due: ReadPlan.Due(f, now))).Where(w => w.Due.Count > 0).ToList();
        foreach (var group in wanted.GroupBy(w => w.Facts.Model.Metadata.Namespace, StringComparer.Ordinal))
        {
            try
            {
                var jobs = (await api.ListAsync(ReadKinds.Jobs, group.Key, ReadJob.Label, cancellationToken)).Items.ToDictionary(j => j.Metadata.Name!, StringComparer.Ordinal);
                var running = jobs.Values.Count(j => !Ended(j));
                foreach (var (facts, due) in group)
                {
                    // 1
                    await ResultsAsync(facts, due, jobs, cancellationToken);

                    // 2
                    var ours = jobs.Values.Any(j => !Ended(j) && j.Metadata.OwnerReferences?.Exists(o => o.Uid == facts.Model.Metadata.Uid) == true);
                    if (!ours && running < MaxRunning && due.FirstOrDefault(d => !jobs.ContainsKey(d.Job)) is { } first)
                    {
                        await StartAsync(facts, first, cancellationToken);
                        running++;
                    }
                }

                _said = null;
            }
            catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
            {
                // Comes again; a right that is missing is said once.
                if (e is not KubeApiException { IsConflict: true } && _said != e.Message)
                {
                    Log.ReadsFailed(logger, group.Key ?? "", e.Message);
                    _said = e.Message;
                }
            }
        }

        return wanted.Count > 0;
    }

    private async Task ResultsAsync(ModelFacts facts, IReadOnlyList<DueRead> due, Dictionary<string, Job> jobs, CancellationToken cancellationToken)
    {
        var results = new List<Catalog.ReadStatus>();
        foreach (var read in due)
        {
            if (jobs.TryGetValue(read.Job, out var job) && Ended(job))
            {
                var pods = await api.ListAsync(CoreKinds.Pods, job.Metadata.Namespace, $"{ReadJob.Label}={read.Job}", cancellationToken);
                results.Add(ReadPlan.Result(job, pods.Items, facts.Model, facts.Version!, read.Node)!);
            }
        }

        if (results.Count > 0)
        {
            await _writer.WriteAsync(facts.Model, results, cancellationToken);
            foreach (var result in results)
            {
                Log.ReadDone(logger, Catalog.CachedModelExtensions.Key(facts.Model), result.Result, result.Message ?? "");
            }
        }
    }

    private async Task StartAsync(ModelFacts facts, DueRead read, CancellationToken cancellationToken)
    {
        try
        {
            await api.CreateAsync(ReadKinds.Jobs, facts.Model.Metadata.Namespace, ReadJob.Of(facts.Model, facts.Version!, read.Node, read.Job, options.Value.ReadImage), cancellationToken);
        }
        catch (KubeApiException e) when (e.IsConflict)
        {
            // Another replica was first.
        }
    }

    private static bool Ended(Job job) => job.Status?.Conditions?.Exists(c => c is { Type: "Complete" or "Failed", Status: "True" }) == true;
}
