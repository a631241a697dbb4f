using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Follows one kind in a namespace by a watch: what was made twice, or only for a moment, shows also when it is gone again.</summary>
internal sealed class MadeWatch : IDisposable
{
    private readonly ConcurrentDictionary<string, string> _seen = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _reading;

    /// <summary>Follows a kind of Fluid's: of each object, the version that it is of.</summary>
    public MadeWatch(UserWorld world, string plural) : this(world, "apis/data.fluid.io/v1alpha1", plural, o => o.Text("metadata", "labels", "prewarm.dev/version") ?? o.Name())
    {
    }

    /// <param name="about">What is kept of an object; null: nothing yet.</param>
    public MadeWatch(UserWorld world, string group, string plural, Func<JsonObject, string?> about) => _reading = ReadAsync(world, $"{group}/namespaces/{world.Namespace}/{plural}", about);

    /// <summary>One entry for every object that ever was: its version, or what was asked for.</summary>
    public IReadOnlyCollection<string> Seen => _reading.IsFaulted ? throw _reading.Exception! : [.. _seen.Values];

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private async Task ReadAsync(UserWorld world, string kind, Func<JsonObject, string?> about)
    {
        try
        {
            var path = new Uri($"{kind}?watch=true&resourceVersion=0", UriKind.Relative);
            using var answer = await world.Sandbox.Api.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, _stop.Token);
            using var reader = new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(_stop.Token));
            while (await reader.ReadLineAsync(_stop.Token) is { } line)
            {
                if (JsonNode.Parse(line).At("object") is JsonObject obj && obj.Text("metadata", "uid") is { } uid && about(obj) is { } seen)
                {
                    _seen[uid] = seen;
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The test has seen enough.
        }
    }
}
