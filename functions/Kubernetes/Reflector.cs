using System.Net;
using System.Runtime.CompilerServices;

namespace Prewarm.Functions.Kubernetes;

/// <summary>A change of a watched collection.</summary>
internal abstract record Delta<T> where T : class
{
    /// <summary>The whole collection as listed: what is not in it is gone.</summary>
    public sealed record Replace(IReadOnlyList<T> Items) : Delta<T>;

    public sealed record Upsert(string? Namespace, string Name, T Object) : Delta<T>;

    public sealed record Remove(string? Namespace, string Name, T? Object) : Delta<T>;
}

/// <summary>List, then watch; resumes after a closed connection, lists again after 410 Gone, backs off with jitter after failures.</summary>
internal sealed class Reflector<T>(IKubeApi api, ResourceType<T> type, string? ns, string? labelSelector, TimeProvider time, Random jitter) where T : class
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    /// <summary>True while the last contact with the API server succeeded.</summary>
    public bool Healthy { get; private set; }

    /// <summary>Never ends by itself; ends with <see cref="OperationCanceledException"/> when cancelled.</summary>
    public async IAsyncEnumerable<Delta<T>> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? version = null;
        var failures = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (version is null)
            {
                var (list, failed) = await TryListAsync(cancellationToken);
                if (failed)
                {
                    await BackOffAsync(failures++, cancellationToken);
                    continue;
                }

                version = list!.ResourceVersion;
                Healthy = true;
                yield return new Delta<T>.Replace(list.Items);
            }

            var watch = api.WatchAsync(type, ns, labelSelector, version, cancellationToken).GetAsyncEnumerator(cancellationToken);
            try
            {
                while (true)
                {
                    var (moved, gone, failed) = await TryMoveAsync(watch);
                    if (!moved)
                    {
                        version = gone ? null : version;
                        Healthy = !failed;
                        if (failed)
                        {
                            await BackOffAsync(failures++, cancellationToken);
                        }

                        break;
                    }

                    failures = 0;
                    var change = watch.Current;
                    version = change.ResourceVersion;
                    if (change.Type == WatchEventType.Deleted)
                    {
                        yield return new Delta<T>.Remove(change.Namespace, change.Name, change.Object);
                    }
                    else if (change.Object is { } obj)
                    {
                        yield return new Delta<T>.Upsert(change.Namespace, change.Name, obj);
                    }
                }
            }
            finally
            {
                await watch.DisposeAsync();
            }
        }
    }

    private async Task<(KubeList<T>? List, bool Failed)> TryListAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await api.ListAsync(type, ns, labelSelector, cancellationToken), false);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            Healthy = false;
            return (null, true);
        }
    }

    private static async Task<(bool Moved, bool Gone, bool Failed)> TryMoveAsync(IAsyncEnumerator<WatchEvent<T>> watch)
    {
        try
        {
            return (await watch.MoveNextAsync(), false, false);
        }
        catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.Gone)
        {
            return (false, true, false);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            return (false, false, true);
        }
    }

    private Task BackOffAsync(int failures, CancellationToken cancellationToken)
    {
        var delay = Math.Min(LongestDelay.TotalSeconds, FirstDelay.TotalSeconds * Math.Pow(2, Math.Min(failures, 20)));
        // Full jitter, so that many replicas do not come back at one moment.
        return Task.Delay(TimeSpan.FromSeconds(delay * (0.5 + (jitter.NextDouble() / 2))), time, cancellationToken);
    }
}
