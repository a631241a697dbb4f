using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;
using Prometheus;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

/// <summary>What is left of an activation beside the status: its spans and its metrics.</summary>
public sealed class ActivationRecordTests : IAsyncLifetime
{
    private const string Upload = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private const string Request = "00-11111111111111111111111111111111-2222222222222222-01";
    private const string Event = "00-33333333333333333333333333333333-4444444444444444-01";
    private readonly ScaleWorld _world = new();
    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private readonly ConcurrentQueue<Activity> _spans = new();
    private ActivityListener _listener = null!;
    private Activations _activations = null!;

    public ValueTask InitializeAsync()
    {
        _listener = new()
        {
            ShouldListenTo = s => s.Name == "Prewarm",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = _spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
        return _world.Server.StartAsync();
    }

    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        _lifetime.StopApplication();
        return _world.DisposeAsync();
    }

    [Theory]
    [InlineData("asked", Request)]
    [InlineData("told", Event)]
    [InlineData("watched", null)]
    public async Task Spans_OfAWake_LieInTheRequestsTrace_LinkedToTheVersionsUpload(string name, string? cause)
    {
        var (key, done) = await WakeAsync(name, cause);
        Activity? span = null;
        await _world.Server.UntilAsync(() => (span = _spans.FirstOrDefault(s => s.OperationName == "activation" && (string?)s.GetTagItem("prewarm.activation") == done.Id)) is not null);
        var asked = cause is null ? default : ActivityContext.Parse(cause, null);
        Assert.Equal(asked.SpanId, span!.ParentSpanId);
        Assert.True(cause is null || asked.TraceId == span.TraceId);
        Assert.Equal(ActivityContext.Parse(Upload, null).SpanId, Assert.Single(span.Links).Context.SpanId);
        Assert.Equal(ActivityContext.Parse(Upload, null).TraceId, Assert.Single(span.Links).Context.TraceId);
        Assert.Equal(done.Since!.Value.UtcDateTime, span.StartTimeUtc);
        Assert.Equal((key.ToString(), "v1", "Local", "Ready"), (span.GetTagItem("prewarm.model"), span.GetTagItem("prewarm.version"), span.GetTagItem("prewarm.locality"), span.GetTagItem("prewarm.phase")));
        // They end before the one that they lie in.
        var parts = _spans.Where(s => s.ParentSpanId == span.SpanId).OrderBy(s => s.StartTimeUtc).ToList();
        Assert.Equal(["image", "load", "ready", "scheduled"], parts.Select(s => s.OperationName).Order(StringComparer.Ordinal));
        Assert.All(parts, p => Assert.Equal(done.Phases!.Find(f => f.Name == p.OperationName)!.Seconds, p.Duration.TotalSeconds, 2));
    }

    [Fact]
    public async Task Metrics_OfAWakeThatIsToldTwice_OneActivationByItsVerdict_AndEachPhaseOnce()
    {
        var before = await CollectAsync();
        var (key, done) = await WakeAsync("metered", null);
        var counter = $"prewarm_activations_total{{model=\"{key}\",verdict=\"Local\"}}";
        var after = await CollectAsync();
        Assert.Equal(1, after[counter]);
        var others = after.Where(s => s.Key.StartsWith($"prewarm_activations_total{{model=\"{key}\"", StringComparison.Ordinal) && s.Key != counter).ToList();
        Assert.Equal(5, others.Count);
        Assert.All(others, o => Assert.Equal(0, o.Value));
        // At least: other tests of this process wake models too.
        Assert.All(done.Phases!, p => Assert.True(after[Series(p.Name)] >= before.GetValueOrDefault(Series(p.Name)) + 1, $"phase {p.Name} was not observed"));
        static string Series(string phase) => $"prewarm_coldstart_phase_seconds_count{{phase=\"{phase}\"}}";
    }

    /// <summary>A model that wakes, with a cause that a request, an event or nobody tells, until its pod is ready.</summary>
    private async Task<(ModelKey Key, ActivationStatus Done)> WakeAsync(string name, string? cause)
    {
        var key = await _world.ServeAsync(name, ["node-1", "node-2"], change: m => m.Status!.Versions![0].Traceparent = Upload);
        await _world.WatchAsync(activations: b => _activations = _world.Judge(b, _lifetime));
        await _world.Server.UntilAsync(() => _world.Board.Of(key).Locality.Locality == Functions.Warm.Locality.Local);
        if (cause == Request)
        {
            _activations.Caused(key, cause);
        }

        var autoscaler = await _world.AutoscalerAsync(name, "False", "NoTraffic", 0, 0);
        if (cause == Event)
        {
            // The event is quicker than the watch.
            var told = autoscaler.Deserialize(ScaleJsonContext.Default.PodAutoscaler)!;
            var since = ScaleWorld.Stamp(TimeProvider.System.GetUtcNow());
            told.Status = JsonSerializer.Deserialize(ScaleWorld.Status("Unknown", "Queued", 1, 0, "True", since), ScaleJsonContext.Default.PodAutoscaler)!.Status;
            told.Metadata.ResourceVersion = (ulong.Parse(told.Metadata.ResourceVersion!, CultureInfo.InvariantCulture) + 1).ToString(CultureInfo.InvariantCulture);
            Assert.Equal(SignalOutcome.Activated, _activations.Take(told, cause));
            await _world.AutoscalerAsync(name, "Unknown", "Queued", 1, 0, since: since);
        }
        else
        {
            await _world.AutoscalerAsync(name, "Unknown", "Queued", 1, 0);
        }

        await _world.UntilAsync(key, a => a.Phase == "Waking");
        await _world.PodAsync(name, "node-1", ready: true);
        await _world.UntilAsync(key, a => a.Node == "node-1");
        await _world.AutoscalerAsync(name, "True", null, 1, 1);
        return (key, await _world.UntilAsync(key, a => a.Phase == "Ready"));
    }

    private static async Task<Dictionary<string, double>> CollectAsync()
    {
        using var text = new MemoryStream();
        await Metrics.DefaultRegistry.CollectAndExportAsTextAsync(text);
        return Encoding.UTF8.GetString(text.ToArray()).Split('\n').Where(l => l.StartsWith("prewarm_", StringComparison.Ordinal))
            .ToDictionary(l => l[..l.LastIndexOf(' ')], l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture), StringComparer.Ordinal);
    }
}
