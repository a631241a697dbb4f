using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>What an adapter watches and where it posts; equal texts mean an unchanged adapter.</summary>
/// <param name="Namespaces">Empty for all.</param>
internal sealed record AdapterConfig(
    Uri Sink, bool WholeObjects, IReadOnlyList<(string ApiVersion, string Kind, string? Selector)> Resources, IReadOnlyList<string> Namespaces,
    (string ApiVersion, string Kind)? Owner, ImmutableSortedDictionary<string, string> Extensions)
{
    public string Text => string.Join('\n',
    [
        Sink.ToString(), WholeObjects.ToString(), string.Join(';', Resources), string.Join(',', Namespaces), Owner.ToString() ?? "", string.Join(';', Extensions),
    ]);
}

/// <summary>
/// An ApiServerSource's receive adapter: watches, and posts one event per change, one after the other for each resource and namespace
/// (knative/eventing <c>pkg/adapter/apiserver/{adapter,delegate}.go</c>, <c>events/events.go</c>).
/// <list type="number">
/// <item>List. What is there already is told to nobody: Replace is a no-op.</item>
/// <item>Watch from there; each change becomes an event with a random id. A sink that is slow or away holds the watch up.</item>
/// <item>A watch that ends is resumed; after 410 back to 1, and what changed in between stays untold.</item>
/// </list>
/// </summary>
internal sealed class ApiServerAdapter(IKubeApi api, AdapterConfig config, SourceSender sender, EventingOptions options, TimeProvider time)
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(800);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);
    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _toList;

    /// <summary>Ends when every collection has been listed once: from then on no change is missed.</summary>
    public Task Listed => _listed.Task;

    /// <summary>Returns when cancelled; never throws.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var watches = config.Resources.SelectMany(r =>
        {
            var type = EventingKinds.Guess(r.ApiVersion, r.Kind);
            string?[] places = type.Namespaced && config.Namespaces.Count > 0 ? [.. config.Namespaces] : [null];
            return places.Select(ns => (Type: type, Namespace: ns, r.Selector));
        }).ToList();
        _toList = watches.Count;
        await Task.WhenAll(watches.Select(w => FollowAsync(w.Type, w.Namespace, w.Selector, cancellationToken)));
    }

    private async Task FollowAsync(ResourceType<JsonObject> type, string? ns, string? selector, CancellationToken cancellationToken)
    {
        var (version, first, pause) = ((string?)null, true, s_firstPause);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                if (version is null)
                {
                    // 1
                    version = (await api.ListAsync(type, ns, selector, cancellationToken)).ResourceVersion;
                    if (first && Interlocked.Decrement(ref _toList) == 0)
                    {
                        _listed.TrySetResult();
                    }

                    first = false;
                }

                // 2
                await foreach (var change in api.WatchAsync(type, ns, selector, version, cancellationToken))
                {
                    pause = s_firstPause;
                    version = change.ResourceVersion.Length > 0 ? change.ResourceVersion : version;
                    if (change.Object is { } obj && Verb(change.Type) is { } verb && IsOwned(obj))
                    {
                        await sender.SendAsync(Event(type, obj, verb), config.Sink, cancellationToken);
                    }
                }
            }
            catch (KubeApiException e) when (e.IsGone)
            {
                // 3
                version = null;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                options.Log($"ApiServerSource watch of {type.Plural}: {e.Message}");
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
            }
            catch (Exception)
            {
                return;
            }
        }
    }

    private EventMessage Event(ResourceType<JsonObject> type, JsonObject obj, string verb)
    {
        // The API server names neither in the items of a list, but always in those of a watch.
        obj["apiVersion"] ??= type.ApiVersion;
        obj["kind"] ??= type.Kind;
        var data = config.WholeObjects ? obj : Reference(obj);
        var message = EventMessage.Create(
            $"dev.knative.apiserver.{(config.WholeObjects ? "resource" : "ref")}.{verb}", options.ApiServer, time.GetUtcNow(), "application/json",
            Encoding.UTF8.GetBytes(data.ToJsonString(s_plain)));

        // The plural is the kind with an s, whatever its real name is, and core kinds stand under /apis too (events.go, createSelfLink).
        message = message
            .With("subject", $"/apis/{obj.Text("apiVersion")}/namespaces/{obj.Namespace()}/{obj.Text("kind")!.ToLowerInvariant()}s/{obj.Name()}")
            .With("apiversion", obj.Text("apiVersion")!).With("kind", obj.Text("kind")!).With("name", obj.Name()).With("namespace", obj.Namespace());
        return message with { Attributes = message.Attributes.SetItems(config.Extensions) };
    }

    private static readonly JsonSerializerOptions s_plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static JsonObject Reference(JsonObject obj) => new()
    {
        ["kind"] = obj.Text("kind"),
        ["namespace"] = obj.Namespace(),
        ["name"] = obj.Name(),
        ["apiVersion"] = obj.Text("apiVersion"),
    };

    private bool IsOwned(JsonObject obj) => config.Owner is not { } owner
        || obj.At("metadata", "ownerReferences").Objects().Any(o => o.Text("controller") == "true" && o.Text("kind") == owner.Kind && o.Text("apiVersion") == owner.ApiVersion);

    private static string? Verb(WatchEventType type) => type switch
    {
        WatchEventType.Added => "add",
        WatchEventType.Modified => "update",
        WatchEventType.Deleted => "delete",
        _ => null,
    };
}
