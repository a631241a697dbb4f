using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Prewarm.Functions.Kubernetes;

/// <summary>A change of a watched collection.</summary>
internal abstract record Delta<T> where T : class
{
    /// <summary>The whole collection as listed: what is not in it is gone.</summary>
    public sealed record Replace(IReadOnlyList<T> Items) : Delta<T>;

    /// <summary>An object is new or has changed.</summary>
    public sealed record Upsert(string? Namespace, string Name, T Object) : Delta<T>;

    /// <summary>An object is gone; <see cref="Object"/> is its last state, where the server told it.</summary>
    public sealed record Remove(string? Namespace, string Name, T? Object) : Delta<T>;
}

/// <summary>
/// Follows a collection for as long as the caller enumerates: I/O failures are waited out, never thrown.
/// <list type="number">
/// <item>List, and yield the whole.</item>
/// <item>Watch from there; every event and bookmark moves the resume point.</item>
/// <item>A watch that ends is resumed from that point; one that fails, after a wait.</item>
/// <item>410 Gone, or too many failures in a row: back to 1.</item>
/// </list>
/// </summary>
/// <param name="ns">Null follows every namespace.</param>
/// <param name="jitter">Seeded by the caller so that a run can be repeated.</param>
internal sealed class Reflector<T>(
    IKubeApi api,
    ResourceType<T> type,
    string? ns,
    string? labelSelector,
    TimeProvider time,
    Random jitter,
    ReflectorOptions? options = null,
    ILogger? logger = null)
    where T : class
{
    private readonly ReflectorOptions _options = options ?? new ReflectorOptions();
    private readonly ILogger _logger = logger ?? NullLogger.Instance;
    private int _failures;

    /// <summary>True while the last contact with the API server succeeded.</summary>
    public bool Healthy { get; private set; }

    /// <summary>What went wrong at the last contact; null while <see cref="Healthy"/>, and before the first contact.</summary>
    public string? Failure { get; private set; }

    /// <summary>Enumerate once per reflector. Ends only by cancellation, with an <see cref="OperationCanceledException"/>.</summary>
    public async IAsyncEnumerable<Delta<T>> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? version = null;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (version is null)
            {
                // 1
                KubeList<T>? list = null;
                Exception? listFailure = null;
                try
                {
                    list = await api.ListAsync(type, ns, labelSelector, cancellationToken);
                }
                catch (Exception e) when (IsInputOutput(e, cancellationToken))
                {
                    listFailure = e;
                }

                if (list is null)
                {
                    await WaitAsync(listFailure?.Message ?? "no list", listFailure, cancellationToken);
                    continue;
                }

                version = list.ResourceVersion;
                (Healthy, Failure) = (true, null);
                yield return new Delta<T>.Replace(list.Items);
            }

            // 2
            var started = time.GetTimestamp();
            var progressed = false;
            Exception? failure = null;
            await using (var events = api.WatchAsync(type, ns, labelSelector, version, cancellationToken).GetAsyncEnumerator(cancellationToken))
            {
                while (true)
                {
                    try
                    {
                        if (!await events.MoveNextAsync())
                        {
                            break;
                        }
                    }
                    catch (Exception e) when (IsInputOutput(e, cancellationToken))
                    {
                        failure = e;
                        break;
                    }

                    progressed = true;
                    _failures = 0;
                    (Healthy, Failure) = (true, null);
                    var current = events.Current;
                    if (current.ResourceVersion.Length > 0)
                    {
                        version = current.ResourceVersion;
                    }

                    if (ToDelta(current) is { } delta)
                    {
                        yield return delta;
                    }
                }
            }

            // 4
            if (failure is KubeApiException { IsGone: true })
            {
                Log.WatchExpired(_logger, type.Kind, ns ?? "*");
                version = null;
                if (_failures > 0)
                {
                    await WaitAsync(failure.Message, failure, cancellationToken);
                }
                else
                {
                    // The first time is ordinary (a long quiet collection); a second without any event between is not.
                    _failures = 1;
                }

                continue;
            }

            // 3
            if (failure is not null)
            {
                await WaitAsync(failure.Message, failure, cancellationToken);
            }
            else if (!progressed && time.GetElapsedTime(started) < _options.ShortestWatch)
            {
                await WaitAsync("the watch ended at once", null, cancellationToken);
            }
            else
            {
                _failures = 0;
            }

            if (_failures >= _options.FailuresBeforeRelist)
            {
                version = null;
            }
        }
    }

    private static Delta<T>? ToDelta(WatchEvent<T> e) => e.Type switch
    {
        WatchEventType.Bookmark => null,
        WatchEventType.Deleted => new Delta<T>.Remove(e.Namespace, e.Name, e.Object),
        _ => e.Object is null ? null : new Delta<T>.Upsert(e.Namespace, e.Name, e.Object),
    };

    // Every refusal is waited out, even 403 and 404: roles are bound and CRDs are installed while we run.
    private static bool IsInputOutput(Exception e, CancellationToken cancellationToken) =>
        !cancellationToken.IsCancellationRequested
        && (e is KubeApiException or HttpRequestException or IOException or JsonException or OperationCanceledException or TimeoutException);

    private async Task WaitAsync(string message, Exception? failure, CancellationToken cancellationToken)
    {
        _failures++;
        (Healthy, Failure) = (failure is null, failure?.Message);
        var delay = _options.Delay(_failures, jitter.NextDouble(), (failure as KubeApiException)?.RetryAfter);
        Log.WatchFailed(_logger, type.Kind, ns ?? "*", _failures, delay, message);
        await Task.Delay(delay, time, cancellationToken);
    }
}
