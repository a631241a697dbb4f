using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>Knative Eventing in miniature, in one process against any API server: brokers, triggers, ApiServerSources and PingSources.</summary>
/// <param name="resolveService">Address of a Service or Knative Service by namespace and name; null while there is none.</param>
internal sealed class EventingControllers(IKubeApi api, Func<string, string, Uri?> resolveService, TimeProvider time, EventingOptions? options = null) : IAsyncDisposable
{
    private static readonly TimeSpan s_resync = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_waiting = TimeSpan.FromMilliseconds(500);
    private readonly EventingOptions _options = options ?? new();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
    });

    private readonly List<Task> _loops = [];
    private BrokerIngress? _ingress;
    private ApiServerSourceController? _sources;
    private PingSourceController? _pings;
    private SourceSender? _sender;
    private BrokerTable? _table;

    public EventFaults Faults => _options.Faults;

    /// <summary>After <see cref="StartAsync"/>.</summary>
    public EventingCounts Counts => _table!.Counts;

    /// <summary>Events that a source gave up.</summary>
    public long LostBySources => _sender!.Lost;

    /// <summary>Where events for a broker are posted; after <see cref="StartAsync"/>.</summary>
    public Uri IngressOf(string ns, string broker) => _ingress!.Of(ns, broker);

    /// <summary>Opens the brokers' ingress and starts all loops; <see cref="DisposeAsync"/> ends them.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var destinations = new Destinations(api, resolveService);
        _table = new(new EventDispatcher(_http, _options, time), _options, time, _stop.Token);
        _ingress = await BrokerIngress.StartAsync(_table, _options, cancellationToken);
        _sender = new(_http, _options, time);
        var brokers = new BrokerController(api, _table, _ingress, destinations, time);
        var triggers = new TriggerController(api, _table, destinations, _options, time);
        var sources = _sources = new(api, destinations, _sender, _options, time, _stop.Token);
        var pings = _pings = new(api, destinations, _sender, _options, time, _stop.Token);

        Run(EventingKinds.Brokers, brokers.ReconcileAsync, brokers.DeletedAsync);
        Run(EventingKinds.Triggers, triggers.ReconcileAsync, triggers.DeletedAsync, loop => loop.Also(EventingKinds.Brokers, triggers.Of));
        Run(EventingKinds.ApiServerSources, sources.ReconcileAsync, sources.DeletedAsync,
            loop => loop.Also(EventingKinds.Brokers, _ => sources.Known.Keys).Also(Kinds.Namespaces, _ => sources.Known.Keys));
        Run(EventingKinds.PingSources, pings.ReconcileAsync, pings.DeletedAsync, loop => loop.Also(EventingKinds.Brokers, _ => pings.Known.Keys));
    }

    /// <summary>Starts, and runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await StartAsync(cancellationToken);
        await Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _http.Dispose();
        _stop.Dispose();
    }

    private async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await (_sources?.StopAllAsync() ?? Task.CompletedTask);
        await (_pings?.StopAllAsync() ?? Task.CompletedTask);
        if (Interlocked.Exchange(ref _ingress, null) is { } ingress)
        {
            await ingress.DisposeAsync();
        }
    }

    private void Run(
        ResourceType<JsonObject> type, Func<JsonObject, CancellationToken, Task<bool>> reconcile, Func<JsonObject, CancellationToken, Task> deleted, Action<ControllerLoop>? also = null)
    {
        var waiting = new ConcurrentDictionary<(string, string), bool>();
        ControllerLoop loop = null!;
        loop = new(api, type, async (obj, token) =>
        {
            if (!await reconcile(obj, token))
            {
                _ = AgainAsync(obj.Namespace(), obj.Name());
            }
        }, time, _options.Log)
        {
            Resync = s_resync,
            Deleted = async (obj, token) =>
            {
                if (await api.GetAsync(type, obj.Namespace(), obj.Name(), token) is null)
                {
                    await deleted(obj, token);
                }

                // The name may have been taken again meanwhile.
                loop.Enqueue(obj.Namespace(), obj.Name());
            },
        };
        also?.Invoke(loop);
        _loops.Add(Task.Run(() => loop.RunAsync(_stop.Token)));

        async Task AgainAsync(string ns, string name)
        {
            if (waiting.TryAdd((ns, name), true))
            {
                await Task.Delay(s_waiting, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                waiting.TryRemove((ns, name), out _);
                loop.Enqueue(ns, name);
            }
        }
    }
}
