using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Observe → plan → apply for one model at a time. Calls that arrive while a pass runs share the pass after it,
/// so a burst of object events costs two passes and not one each.
/// </summary>
internal sealed class ModelLine : IModelLine
{
    private const int MaxPasses = 10;

    /// <summary>Conflicts in one look: another replica was quicker, and what it left is read at once.</summary>
    private const int MaxConflicts = 3;

    private readonly IKubeApi _api;
    private readonly ModelObserver _observer;
    private readonly LineActor _actor;
    private readonly ModelEvents _events;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<ModelKey, Slot> _slots = new();

    public ModelLine(IKubeApi api, IUploadSource uploads, IRevisionProver prover, TimeProvider time, ILogger<ModelLine> logger, ICatalog? catalog = null)
    {
        (_api, _time, _logger) = (api, time, logger);
        _observer = new(api, uploads, catalog);
        _actor = new(api, _observer, prover, time, logger);
        _events = new(api, time, logger);
    }

    public Task<LineOutcome> AdvanceAsync(ModelKey model, CancellationToken cancellationToken) => AdvanceAsync(model, null, true, cancellationToken);

    public Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, bool fresh, CancellationToken cancellationToken) =>
        AdvanceAsync(model, cause, fresh, TimeSpan.Zero, cancellationToken);

    public Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, TimeSpan patience, CancellationToken cancellationToken) =>
        AdvanceAsync(model, cause, true, patience, cancellationToken);

    private async Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, bool fresh, TimeSpan patience, CancellationToken cancellationToken)
    {
        Task<LineOutcome>? run;
        while (!TryJoin(_slots.GetOrAdd(model, static _ => new()), model, cause, fresh, patience, out run))
        {
            // Dropped a moment ago: another slot takes its place.
        }

        return await run.WaitAsync(cancellationToken);
    }

    /// <summary>The next look of this slot; false: it is the model's no more.</summary>
    private bool TryJoin(Slot slot, ModelKey model, string? cause, bool fresh, TimeSpan patience, [NotNullWhen(true)] out Task<LineOutcome>? run)
    {
        lock (slot)
        {
            run = null;
            if (slot.Dropped)
            {
                return false;
            }

            // The pass that runs now may have read before our event: ours is the next one.
            slot.Cause ??= cause;
            slot.Upload ??= fresh ? cause : null;
            slot.Fresh |= fresh;
            if (slot.Next is null)
            {
                slot.Hurry = new(TaskCreationOptions.RunContinuationsAsynchronously);
                slot.Next = RunAfterAsync(slot.Current, model, slot, slot.Hurry.Task, patience);
            }

            if (patience <= TimeSpan.Zero)
            {
                slot.Hurry.TrySetResult();
            }

            run = slot.Next;
            return true;
        }
    }

    public bool Knows(ModelKey model, string key, string etag) => etag.Length > 0 && _slots.TryGetValue(model, out var slot) && slot.Listed?.Has(key, etag) == true;

    public DateTimeOffset? LookedAt(ModelKey model)
    {
        if (!_slots.TryGetValue(model, out var slot))
        {
            return null;
        }

        lock (slot)
        {
            return slot.LookedAt;
        }
    }

    private async Task<LineOutcome> RunAfterAsync(Task before, ModelKey model, Slot slot, Task hurry, TimeSpan patience)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        if (!hurry.IsCompleted)
        {
            await hurry.WaitAsync(patience, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        var done = new TaskCompletionSource();
        string? cause, upload;
        bool fresh;
        lock (slot)
        {
            (cause, slot.Cause) = (slot.Cause, null);
            (upload, slot.Upload) = (slot.Upload, null);
            (fresh, slot.Fresh) = (slot.Fresh, false);
            slot.Next = null;
            slot.Current = done.Task;
        }

        try
        {
            // Shared by several callers: the cancellation of one of them must not stop it.
            var began = _time.GetUtcNow();
            var outcome = await LookAsync(slot, model, cause, upload, fresh, CancellationToken.None);
            if (outcome != LineOutcome.Settled)
            {
                slot.Listed = null;
            }

            lock (slot)
            {
                slot.LookedAt = began;
                // Of a model that is not there nothing is kept: events may name any.
                slot.Dropped = outcome == LineOutcome.Gone && slot.Next is null && _slots.TryRemove(new(model, slot));
            }

            return outcome;
        }
        finally
        {
            done.SetResult();
        }
    }

    private async Task<LineOutcome> LookAsync(Slot slot, ModelKey key, string? cause, string? upload, bool fresh, CancellationToken cancellationToken)
    {
        using var activity = LineTracing.Look(key, cause);
        CachedModel? model = null;
        UploadObservation? listed = null;
        var conflicts = 0;
        try
        {
            for (var pass = 0; pass < MaxPasses; pass++)
            {
                model = await _api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, cancellationToken);
                if (model is null)
                {
                    return LineOutcome.Gone;
                }

                var observed = await _observer.ObserveAsync(model, upload, listed, fresh, cancellationToken);
                var plan = LinePlanner.Settle(observed, _time.GetUtcNow());
                // Golden questions take minutes: whether the files are still those that were asked, only a listing after them tells.
                (listed, fresh) = plan.Actions.Any(a => a is LineAction.Prove) ? (null, true) : (observed.Uploads, fresh);
                bool again;
                try
                {
                    again = await PassAsync(observed, plan, cancellationToken);
                }
                catch (KubeApiException e) when (e.IsConflict && ++conflicts <= MaxConflicts)
                {
                    continue;
                }

                if (!again)
                {
                    slot.Listed = observed.Uploads;
                    return observed.Uploads?.Failure is { Transient: true } ? LineOutcome.Transient : LineOutcome.Settled;
                }
            }

            return LineOutcome.Settled;
        }
        catch (KubeApiException e) when (!e.IsConflict && !e.IsTransient)
        {
            Log.PassRefused(_logger, key, e.Reason, e.Message);
            await SayRefusedAsync(model, e.Reason, $"the API server refused: {e.Message}", cancellationToken);
            return LineOutcome.Settled;
        }
        catch (ForeignObjectException e)
        {
            Log.PassRefused(_logger, key, ForeignObjectException.Reason, e.Message);
            await SayRefusedAsync(model, ForeignObjectException.Reason, e.Message, cancellationToken);
            return LineOutcome.Settled;
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException)
        {
            activity?.SetStatus(System.Diagnostics.ActivityStatusCode.Error, e.Message);
            Log.PassDeferred(_logger, key, e.Message);
            return LineOutcome.Transient;
        }
    }

    /// <summary>Carries out a plan; true when the model should be looked at again at once.</summary>
    private async Task<bool> PassAsync(Observed observed, LinePlan plan, CancellationToken cancellationToken)
    {
        if (plan.Actions is [LineAction.Finalize { Present: true } finalize, ..])
        {
            // Before anything else exists there is something that takes it apart again; this write moves resourceVersion.
            await _actor.ApplyAsync(observed, plan, finalize, cancellationToken);
            return true;
        }

        var again = false;
        var after = await _observer.ByNameAsync(observed, plan.Actions, cancellationToken);
        foreach (var action in plan.Actions)
        {
            var done = await _actor.ApplyAsync(after, plan, action, cancellationToken);
            again |= done.Again;
            after = done.Written is { } written ? after.With(written) : after;
        }

        if (again && plan.Actions.All(a => a is LineAction.ApplyDataset or LineAction.ApplyRuntime or LineAction.ApplyLoad))
        {
            // The answers show what another look would: where that finds nothing more to do, it need not be taken, nor the status written twice.
            var next = LinePlanner.Settle(after.WithStatus(plan.Status) with { Read = plan.Status }, _time.GetUtcNow());
            (plan, again) = next.Actions.Count == 0 ? (next, false) : (plan, true);
        }

        if (plan.Status.Phase != "Deleting" || !plan.Actions.Any(a => a is LineAction.Finalize))
        {
            await WriteStatusAsync(observed.Model, plan.Status, observed, cancellationToken);
        }

        return again;
    }

    /// <summary>The API server refuses something (RBAC, a missing CRD, a webhook): the model's status is where its owner looks.</summary>
    private async Task SayRefusedAsync(CachedModel? model, string reason, string message, CancellationToken cancellationToken)
    {
        if (model is null)
        {
            return;
        }

        try
        {
            await WriteStatusAsync(model, LineRefusal.Status(model, reason, message, _time.GetUtcNow()), null, cancellationToken);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException)
        {
            Log.PassDeferred(_logger, model.Key(), e.Message);
        }
    }

    private async Task WriteStatusAsync(CachedModel model, CachedModelStatus status, Observed? observed, CancellationToken cancellationToken)
    {
        if (LinePlanner.Same(model.Status, status))
        {
            return;
        }

        await _api.ApplyAsync(CatalogKinds.CachedModels, model.Metadata.Namespace, model.Metadata.Name!, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            // The resourceVersion makes a second replica that read earlier fail with a conflict and not win with old news.
            Metadata = new() { Name = model.Metadata.Name, Namespace = model.Metadata.Namespace, ResourceVersion = model.Metadata.ResourceVersion },
            Status = status,
        }, Ownership.StatusManager, force: true, "status", cancellationToken);
        if (model.Status?.Phase != status.Phase)
        {
            Log.PhaseChanged(_logger, model.Key(), model.Status?.Phase ?? "none", status.Phase!);
        }

        LineMetrics.Observe(model.Key(), model.Status, status, observed?.Loads ?? [], _time.GetUtcNow());
        await _events.TellAsync(model, status, cancellationToken);
    }

    private sealed class Slot
    {
        public Task Current { get; set; } = Task.CompletedTask;
        public Task<LineOutcome>? Next { get; set; }

        /// <value>It is the model's slot no more.</value>
        public bool Dropped { get; set; }

        /// <summary>Ends the patience of the next look.</summary>
        public TaskCompletionSource Hurry { get; set; } = new();

        /// <summary>What the last look that settled has listed.</summary>
        public UploadObservation? Listed { get; set; }

        /// <summary>When the last look that has ended began.</summary>
        public DateTimeOffset? LookedAt { get; set; }

        /// <summary>The first event that the next look is for.</summary>
        public string? Cause { get; set; }

        /// <summary>The first of them that tells of the store: what a look finds there began with it, and not with a change in the cluster that came in between.</summary>
        public string? Upload { get; set; }

        /// <value>Somebody of those who share the next look needs the store listed again.</value>
        public bool Fresh { get; set; }
    }
}
