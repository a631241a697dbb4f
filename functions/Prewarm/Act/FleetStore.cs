using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What all models together have taught, and which reports were counted, in the ConfigMap <c>prewarm-fleet</c> (about 130 KB): 1. written when it has changed, at most once in <see cref="Pace"/>; 2. of two writers the
/// fleet that has learned from more gaps stays, and the reports of both; 3. what cannot be read, being corrupt or newer, is kept aside.
/// </summary>
internal sealed class FleetStore(IKubeApi api, FleetForecast forecast, SeenEvents seen, PrewarmOptions options, TimeProvider time, ILogger<FleetStore> logger)
{
    public const string Name = "prewarm-fleet";
    public static readonly TimeSpan Pace = TimeSpan.FromMinutes(10);
    private const string Fleet = "fleet";
    private const string Reports = "reports";
    private const int MostReports = 8192;

    private DateTimeOffset? _saved;
    private long _taken;
    private bool _loaded;

    /// <summary>Nothing had been saved: this is the first start.</summary>
    public bool First { get; private set; }

    /// <summary>Reads what the last process left; once.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        if (_loaded)
        {
            return;
        }

        var map = await api.GetAsync(PrewarmKinds.ConfigMaps, options.StateNamespace, Name, cancellationToken);
        if (Read(map) is { } fleet && fleet.Learnt >= forecast.Fleet.Learnt)
        {
            forecast.Become(fleet);
            _taken = forecast.Taken;
        }

        First = map is null;
        seen.Restore(Seen(map));
        _saved = time.GetUtcNow();
        _loaded = true;
    }

    /// <summary>Another has written meanwhile: the next <see cref="LoadAsync"/> takes what it has put there, if that has learned from more.</summary>
    public void ReadAgain() => _loaded = false;

    public async Task SaveAsync(bool now, CancellationToken cancellationToken)
    {
        // 1
        if (!_loaded || forecast.Taken == _taken || (!now && time.GetUtcNow() - _saved < Pace))
        {
            return;
        }

        var taken = forecast.Taken;
        var settled = (time.GetUtcNow() - options.Settle).ToUnixTimeSeconds() / 60;
        await StateMaps.UpdateAsync(api, options.StateNamespace, Name, Fleet, (map, data) =>
        {
            var theirs = Read(map);
            // 3
            if (theirs is null && data.TryGetValue(Fleet, out var unreadable))
            {
                data[StateMaps.Aside + Fleet] = unreadable;
            }

            // 2
            if (theirs is null || theirs.Learnt <= forecast.Fleet.Learnt)
            {
                data[Fleet] = Convert.ToBase64String(FleetStateFormat.Write(forecast.Fleet));
            }

            ulong[] ids = [.. Seen(map).Concat(seen.Until(settled, MostReports)).Distinct().TakeLast(MostReports)];
            data[Reports] = Convert.ToBase64String(MemoryMarshal.AsBytes(ids.AsSpan()));
        }, cancellationToken);
        (_saved, _taken) = (time.GetUtcNow(), taken);
    }

    private LearnedForecast? Read(StateMap? map)
    {
        if (map?.BinaryData?.GetValueOrDefault(Fleet) is not { } text)
        {
            return null;
        }

        var bytes = StateMaps.Bytes(text);
        if (FleetStateFormat.TryRead(bytes) is { } fleet)
        {
            return fleet;
        }

        Log.MemoryUnreadable(logger, Fleet, StateMaps.Aside + Fleet);
        return null;
    }

    private static ulong[] Seen(StateMap? map) => map?.BinaryData?.GetValueOrDefault(Reports) is { } text && StateMaps.Bytes(text) is { } bytes
        ? [.. MemoryMarshal.Cast<byte, ulong>(bytes.AsSpan(0, bytes.Length / sizeof(ulong) * sizeof(ulong)))] : [];
}
