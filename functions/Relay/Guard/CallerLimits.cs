using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Prewarm.Functions.Relay;

/// <summary>How many predictions each caller has on its way, where that is limited.</summary>
internal sealed class CallerLimits(IOptions<RelayOptions> options)
{
    private readonly ConcurrentDictionary<string, int> _running = new(StringComparer.Ordinal);

    public int Callers => _running.Count;

    /// <summary>Whoever sends the request: the named header's last value, which the nearest proxy wrote, else the connection's address.</summary>
    public string? CallerOf(HttpContext context)
    {
        if (options.Value.CallerConcurrency == 0)
        {
            return null;
        }

        if (options.Value.CallerHeader is { } name && context.Request.Headers.TryGetValue(name, out var values) && values is [.., { Length: > 0 } last])
        {
            return last[(last.LastIndexOf(',') + 1)..].Trim();
        }

        return context.Connection.RemoteIpAddress?.ToString() ?? "unknown";
    }

    /// <summary>False: the caller has as many on its way as it may.</summary>
    public bool TryBegin(string caller)
    {
        while (true)
        {
            if (!_running.TryGetValue(caller, out var now))
            {
                if (_running.TryAdd(caller, 1))
                {
                    return true;
                }
            }
            else if (now >= options.Value.CallerConcurrency)
            {
                return false;
            }
            else if (_running.TryUpdate(caller, now + 1, now))
            {
                return true;
            }
        }
    }

    public void End(string caller)
    {
        while (_running.TryGetValue(caller, out var now))
        {
            // A caller with nothing on its way is forgotten.
            if (now <= 1 ? _running.TryRemove(new(caller, now)) : _running.TryUpdate(caller, now - 1, now))
            {
                return;
            }
        }
    }
}
