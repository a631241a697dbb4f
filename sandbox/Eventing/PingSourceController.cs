using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>
/// Sends each PingSource's event at its times (knative/eventing <c>pkg/adapter/mtping/runner.go</c>, <c>pkg/apis/sources/v1/ping_lifecycle.go</c>, <c>ping_validation.go</c>).
/// A time that passes while nothing runs is not made up for.
/// </summary>
internal sealed class PingSourceController(
    IKubeApi api, Destinations destinations, SourceSender sender, EventingOptions options, TimeProvider time, CancellationToken stopping)
{
    private const string Type = "dev.knative.sources.ping";

    // The longest wait that a timer takes in one piece.
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);
    private readonly ConcurrentDictionary<(string Namespace, string Name), Running> _running = new();
    private readonly Random _jitter = new(options.Seed);

    /// <summary>Every source that was seen and is still there.</summary>
    public ConcurrentDictionary<(string Namespace, string Name), bool> Known { get; } = new();

    /// <returns>False: look again soon, for what it waits for may come without a sign.</returns>
    public async Task<bool> ReconcileAsync(JsonObject source, CancellationToken cancellationToken)
    {
        var (ns, name) = (source.Namespace(), source.Name());
        if (source.Deleting())
        {
            await DeletedAsync(source, cancellationToken);
            return true;
        }

        Known[(ns, name)] = true;
        var sink = await destinations.ResolveAsync(source.At("spec", "sink"), ns, cancellationToken);
        List<Part> parts = [sink.Address is null ? Part.False("SinkProvided", sink.Reason!, sink.Message!) : Part.True("SinkProvided"), EventingStatus.NoIdentity];
        try
        {
            var schedule = CronSchedule.Parse(source.Text("spec", "schedule") ?? "* * * * *", source.Text("spec", "timezone"));
            var data = Data(source);
            if (sink.Address is null)
            {
                await StopAsync(ns, name);
                parts.Add(Part.Unknown("Deployed", "SinkMissing", "The schedule waits for the sink."));
            }
            else
            {
                await RunAsync(source, schedule, data, sink.Address);
                parts.Add(Part.True("Deployed"));
            }
        }
        catch (FormatException e)
        {
            // The real one's webhook refuses such an object; here it is in and says so.
            await StopAsync(ns, name);
            parts.Add(Part.False("Deployed", "InvalidSpec", e.Message));
        }

        return await api.WriteAsync(EventingKinds.PingSources, source, time, new()
        {
            ["sinkUri"] = sink.Address?.ToString(),
            ["ceAttributes"] = Json.Array([new JsonObject { ["type"] = Type, ["source"] = Source(source) }]),
        }, parts, cancellationToken);
    }

    public Task DeletedAsync(JsonObject source, CancellationToken cancellationToken)
    {
        Known.TryRemove((source.Namespace(), source.Name()), out _);
        return StopAsync(source.Namespace(), source.Name());
    }

    public async Task StopAllAsync()
    {
        foreach (var (ns, name) in _running.Keys)
        {
            await StopAsync(ns, name);
        }
    }

    private async Task RunAsync(JsonObject source, CronSchedule schedule, byte[] data, Uri sink)
    {
        var key = (source.Namespace(), source.Name());
        var text = $"{sink}\n{source.At("spec")?.ToJsonString()}";
        if (_running.TryGetValue(key, out var running) && running.Text == text)
        {
            return;
        }

        await StopAsync(key.Item1, key.Item2);
        var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var copy = source.DeepClone().AsObject();
        _running[key] = new(text, stop, Task.Run(() => TickAsync(copy, schedule, data, sink, stop.Token), CancellationToken.None));
    }

    private async Task TickAsync(JsonObject source, CronSchedule schedule, byte[] data, Uri sink, CancellationToken cancellationToken)
    {
        var last = time.GetUtcNow();
        while (!cancellationToken.IsCancellationRequested && schedule.Next(last) is { } next)
        {
            for (TimeSpan wait; (wait = next - time.GetUtcNow()) > TimeSpan.Zero && !cancellationToken.IsCancellationRequested;)
            {
                await Task.Delay(wait < s_longest ? wait : s_longest, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            if (!cancellationToken.IsCancellationRequested)
            {
                _ = SendAsync(source, data, sink, cancellationToken);
                last = time.GetUtcNow() > next ? time.GetUtcNow() : next;
            }
        }
    }

    private async Task SendAsync(JsonObject source, byte[] data, Uri sink, CancellationToken cancellationToken)
    {
        try
        {
            TimeSpan jitter;
            lock (_jitter)
            {
                jitter = options.PingJitter * _jitter.NextDouble();
            }

            await Task.Delay(jitter, time, cancellationToken);
            var message = EventMessage.Create(Type, Source(source), time.GetUtcNow(), data.Length > 0 ? source.Text("spec", "contentType") : null, data);
            foreach (var (name, value) in source.At("spec", "ceOverrides", "extensions") as JsonObject ?? [])
            {
                message = message.With(name, value?.ToString() ?? "");
            }

            await sender.SendAsync(message, sink, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The source is gone.
        }
    }

    private async Task StopAsync(string ns, string name)
    {
        if (_running.TryRemove((ns, name), out var running))
        {
            await running.Stop.CancelAsync();
            await running.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            running.Stop.Dispose();
        }
    }

    private static string Source(JsonObject source) => $"/apis/v1/namespaces/{source.Namespace()}/pingsources/{source.Name()}";

    private static byte[] Data(JsonObject source)
    {
        var (plain, base64) = (source.Text("spec", "data"), source.Text("spec", "dataBase64"));
        if (!string.IsNullOrEmpty(plain) && !string.IsNullOrEmpty(base64))
        {
            throw new FormatException("expected exactly one, got both: spec.data, spec.dataBase64");
        }

        var data = string.IsNullOrEmpty(base64) ? Encoding.UTF8.GetBytes(plain ?? "") : Convert.FromBase64String(base64);
        if (data.Length > 0 && source.Text("spec", "contentType") == "application/json")
        {
            try
            {
                JsonDocument.Parse(data).Dispose();
            }
            catch (JsonException e)
            {
                throw new FormatException($"data is no JSON: {e.Message}", e);
            }
        }

        return data;
    }

    private sealed record Running(string Text, CancellationTokenSource Stop, Task Task);
}
