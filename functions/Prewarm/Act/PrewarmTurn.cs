using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// One prewarmer acts, however many run by mistake: each has heard of a part of the calls only, and two that act would undo each other's work and spend a budget twice. Whose turn it is stands in the ConfigMap
/// <c>prewarm-turn</c>: 1. who has it counts it on at every tick; 2. who sees it not counted on for <see cref="Lease"/>, by the clock of its own process, takes it; 3. a write names the resourceVersion it read, so of two
/// that take it one has it; 4. who ends gives it back. No clocks of two machines are compared.
/// </summary>
internal sealed class PrewarmTurn(IKubeApi api, PrewarmOptions options, TimeProvider time, ILogger<PrewarmTurn> logger)
{
    public const string Name = "prewarm-turn";
    private const string Holder = "holder";
    private const string Count = "count";

    // A pod's name is its own, so a container that starts again goes on at once; elsewhere several may share a machine.
    private readonly string _own = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST") is null ? $"{Environment.MachineName}-{Guid.NewGuid():N}" : Environment.MachineName;
    private (string? Version, long At)? _seen;
    private long _counted;
    private bool _mine;

    /// <summary>Without a sign of life for so long the turn is free.</summary>
    public TimeSpan Lease => options.Pace * 2;

    /// <summary>Counts on if it is this process's turn, or takes it where nobody has it.</summary>
    public async Task<bool> MineAsync(CancellationToken cancellationToken)
    {
        var map = await api.GetAsync(PrewarmKinds.ConfigMaps, options.StateNamespace, Name, cancellationToken);
        var (holder, version) = (Text(map, Holder), map?.Metadata.ResourceVersion);
        if (_seen is not { } seen || seen.Version != version)
        {
            _seen = seen = (version, time.GetTimestamp());
        }

        // 2
        if (holder is { Length: > 0 } && holder != _own && time.GetElapsedTime(seen.At) < Lease)
        {
            if (_mine)
            {
                Log.TurnLost(logger, holder);
            }

            return _mine = false;
        }

        // 1, 3
        return _mine = await WriteAsync(map, _own, cancellationToken);
    }

    /// <summary>In the middle of a long tick: counts on when half of the lease is over.</summary>
    public async Task<bool> StillMineAsync(CancellationToken cancellationToken) =>
        _mine && (time.GetElapsedTime(_counted) < Lease / 2 || await MineAsync(cancellationToken));

    /// <summary>4</summary>
    public async Task LeaveAsync(CancellationToken cancellationToken)
    {
        if (_mine && await api.GetAsync(PrewarmKinds.ConfigMaps, options.StateNamespace, Name, cancellationToken) is { } map && Text(map, Holder) == _own)
        {
            _mine = false;
            await WriteAsync(map, "", cancellationToken);
        }
    }

    private async Task<bool> WriteAsync(StateMap? before, string holder, CancellationToken cancellationToken)
    {
        var next = new StateMap
        {
            ApiVersion = "v1",
            Kind = "ConfigMap",
            Metadata = new() { Name = Name, Namespace = options.StateNamespace, ResourceVersion = before?.Metadata.ResourceVersion, Labels = new() { [StateMaps.Label] = "turn", [Ownership.ManagedByLabel] = "prewarm" } },
            BinaryData = new() { [Holder] = Bytes(holder), [Count] = Bytes(((long.TryParse(Text(before, Count), NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : 0) + 1).ToString(CultureInfo.InvariantCulture)) },
        };
        try
        {
            var written = before is null
                ? await api.CreateAsync(PrewarmKinds.ConfigMaps, options.StateNamespace, next, cancellationToken)
                : await api.ReplaceAsync(PrewarmKinds.ConfigMaps, options.StateNamespace, Name, next, null, cancellationToken);
            _counted = time.GetTimestamp();
            _seen = (written.Metadata.ResourceVersion, _counted);
            return true;
        }
        catch (KubeApiException e) when (e.IsConflict)
        {
            // Another was quicker.
            return false;
        }
    }

    private static string? Text(StateMap? map, string key) => map?.BinaryData?.GetValueOrDefault(key) is { } text ? Encoding.UTF8.GetString(StateMaps.Bytes(text)) : null;

    private static string Bytes(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
