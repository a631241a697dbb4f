using System.Globalization;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Eventing;
using Prewarm.Sandbox.Gateway;

namespace Prewarm.Sandbox.Running;

/// <summary>What goes wrong on purpose: <c>--fault NAME=VALUE</c>.</summary>
internal sealed class SandboxFaults
{
    public const string Known = "pod-503=SHARE, gateway-504=SHARE, gateway-reset=SHARE, queue-full=SHARE, not-ready=SHARE, retries=N, stray-pods=N (of those that are placed while the file stray-pods is beside the kubeconfig), event-drop=SHARE, event-duplicates=N, event-shuffle=N, sweep-seconds=SECONDS (1 to 59), api-errors=SHARE, api-hang-seconds=SECONDS, api-watch-seconds=SECONDS, api-away=1 (while the file api-away is beside the kubeconfig), functions-kill=SECONDS, functions-kill-after-write=N (a SHARE is 0 to 1)";

    public MeshFaults Mesh { get; } = new();

    public EventFaults Events { get; } = new();

    /// <summary>The API server is away for the functions while a file says so.</summary>
    public bool ApiGoesAway { get; private set; }

    /// <summary>So many pods land on other nodes than their affinity prefers, from when a file says so.</summary>
    public int StrayPods { get; private set; }

    /// <summary>The sweep's period in seconds; null = every minute. No fault: where all events are lost, it is what everything waits for.</summary>
    public int? SweepSeconds { get; private set; }

    /// <summary>Only the built-in API server has them.</summary>
    public ApiFaults Api { get; } = new(TimeProvider.System);

    /// <summary>The functions are killed so often; zero = never.</summary>
    public TimeSpan KillFunctions { get; private set; }

    /// <summary>The functions are killed after each so-manieth write that changed something, before they are told of it; zero = never.</summary>
    public int KillAfterWrite { get; private set; }

    /// <exception cref="ArgumentException">A fault is not known, or its value does not fit.</exception>
    public static SandboxFaults Parse(IEnumerable<string> faults)
    {
        var parsed = new SandboxFaults();
        foreach (var fault in faults)
        {
            var parts = fault.Split('=', 2);
            if (parts.Length != 2 || !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || !parsed.Set(parts[0], value))
            {
                throw new ArgumentException($"--fault is '{fault}': write {Known}");
            }
        }

        return parsed;
    }

    private bool Set(string name, double value)
    {
        var share = value is >= 0 and <= 1;
        var count = value is >= 0 and <= 100 && Math.Floor(value) == value;
        switch (name)
        {
            case "pod-503" when share:
                Mesh.Pod503 = value;
                return true;
            case "gateway-504" when share:
                Mesh.Gateway504 = value;
                return true;
            case "gateway-reset" when share:
                Mesh.Reset = value;
                return true;
            case "queue-full" when share:
                Mesh.QueueFull = value;
                return true;
            case "not-ready" when share:
                Mesh.NotReady = value;
                return true;
            case "retries" when count:
                Mesh.Retries = (int)value;
                return true;
            case "stray-pods" when count:
                StrayPods = (int)value;
                return true;
            case "event-drop" when share:
                Events.Drop = value;
                return true;
            case "event-duplicates" when count:
                Events.Duplicates = (int)value;
                return true;
            case "event-shuffle" when count:
                Events.ShuffleWindow = (int)value;
                return true;
            case "sweep-seconds" when count && value is >= 1 and < 60:
                SweepSeconds = (int)value;
                return true;
            case "api-hang-seconds" when value is >= 0 and <= 3600:
                Api.Hang = TimeSpan.FromSeconds(value);
                return true;
            case "api-errors" when share:
                Api.Errors = value;
                return true;
            case "api-watch-seconds" when value is >= 0 and <= 86_400:
                Api.WatchLife = TimeSpan.FromSeconds(value);
                return true;
            case "api-away" when value is 0 or 1:
                ApiGoesAway = value == 1;
                return true;
            case "functions-kill" when value is >= 0 and <= 86_400:
                KillFunctions = TimeSpan.FromSeconds(value);
                return true;
            case "functions-kill-after-write" when count:
                KillAfterWrite = (int)value;
                return true;
            default:
                return false;
        }
    }
}
