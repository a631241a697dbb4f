using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Goes on looking at a model that a sweep has left on its way, until it rests or the next sweep takes over: <see cref="NextLookLoop"/> does so from a watch, which may run in
/// another process or be silent. It reads the model itself, and leaves out the looks that somebody else has just taken.
/// </summary>
internal sealed class SweepFollower(IKubeReader api, IModelLine line, Func<ModelKey, bool, CancellationToken, Task<LineOutcome>> look, TimeProvider time, ILogger logger) : IDisposable
{
    /// <summary>As often as the PingSource in eventing/base/sources.yaml asks for a sweep.</summary>
    internal static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<ModelKey, DateTimeOffset> _until = new();
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Follows a model for one period from now; one that is followed already, for longer.</summary>
    public void Follow(ModelKey key)
    {
        var until = time.GetUtcNow() + Period;
        if (_until.TryAdd(key, until))
        {
            _ = FollowAsync(key);
        }
        else
        {
            // Ended in between: the next sweep begins again.
            _until.TryUpdate(key, until, _until.GetValueOrDefault(key));
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private async Task FollowAsync(ModelKey key)
    {
        var token = _stop.Token;
        try
        {
            var pause = NextLookLoop.ShortestUnmoved;
            string? version = null;
            while (true)
            {
                var read = time.GetUtcNow();
                CachedModel? model = null;
                try
                {
                    model = await api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, token);
                    if (model is null)
                    {
                        return;
                    }
                }
                catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException)
                {
                    Log.PassDeferred(logger, key, e.Message);
                }

                pause = model?.Metadata.ResourceVersion == version ? Min(pause * 1.5, NextLookLoop.LongestUnmoved) : NextLookLoop.ShortestUnmoved;
                version = model?.Metadata.ResourceVersion;
                var onItsWay = model is null || NextLookLoop.OnItsWay(model.Status);
                var due = model?.Status?.NextLook;
                if ((onItsWay ? Min(read + pause, due ?? DateTimeOffset.MaxValue) : due) is not { } at || at >= _until[key])
                {
                    return;
                }

                at = Max(at, read + NextLookLoop.ShortestUnmoved);
                await Task.Delay(at - read, time, token);
                if (!(line.LookedAt(key) >= read))
                {
                    await look(key, due <= time.GetUtcNow(), token);
                }
            }
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
            // The process ends; the status says where the next one goes on.
        }
        catch (Exception e)
        {
            Log.LookFailed(logger, key, e);
        }
        finally
        {
            _until.TryRemove(key, out _);
        }
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static DateTimeOffset Min(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
