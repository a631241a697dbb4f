using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Follows one kind of Fluid's in a namespace by a watch: what was made twice shows, also when it is gone again.</summary>
internal sealed class MadeWatch : IDisposable
{
    private readonly ConcurrentDictionary<string, string> _versions = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _reading;

    public MadeWatch(UserWorld world, string plural) => _reading = ReadAsync(world, plural);

    /// <summary>The version of every object that ever was, one entry an object.</summary>
    public IReadOnlyCollection<string> Versions => _reading.IsFaulted ? throw _reading.Exception! : [.. _versions.Values];

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private async Task ReadAsync(UserWorld world, string plural)
    {
        try
        {
            var path = new Uri($"apis/data.fluid.io/v1alpha1/namespaces/{world.Namespace}/{plural}?watch=true&resourceVersion=0", UriKind.Relative);
            using var answer = await world.Sandbox.Api.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, _stop.Token);
            using var reader = new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(_stop.Token));
            while (await reader.ReadLineAsync(_stop.Token) is { } line)
            {
                if (JsonNode.Parse(line).At("object") is JsonObject obj && obj.Text("metadata", "uid") is { } uid)
                {
                    _versions[uid] = obj.Text("metadata", "labels", "prewarm.dev/version") ?? obj.Name();
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The test has seen enough.
        }
    }
}
