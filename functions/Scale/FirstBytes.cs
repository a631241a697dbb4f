using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

/// <summary>Adds the last phase to a wake's time line, as the relay's traffic report tells it: from the model's readiness to the head of the first answer.</summary>
internal sealed class FirstBytes(IKubeApi api, IHostApplicationLifetime lifetime, ILogger<FirstBytes> logger)
{
    public const string Phase = "first_byte";

    /// <summary>How far a relay's clock may be from the cluster's.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromMinutes(1);

    /// <summary>Returns at once.</summary>
    /// <param name="minute">When the minute began in which the answer came.</param>
    public void Told(ModelKey model, DateTimeOffset minute, double seconds) => _ = TellAsync(model, minute, seconds, lifetime.ApplicationStopping);

    /// <summary>Pure: the wake that ended about then, with the phase; null: the last wake is another one, or has it.</summary>
    internal static ActivationStatus? With(ActivationStatus? last, DateTimeOffset minute, double seconds)
    {
        if (last is not { Phase: "Ready", Since: { } since, Phases: { Count: > 0 } phases } || phases.Exists(p => p.Name == Phase))
        {
            return null;
        }

        var ready = since.AddSeconds(phases.Find(p => p.Name == "total")?.Seconds ?? 0);
        if (ready > minute + TimeSpan.FromMinutes(1) + Slack || ready < minute - Slack)
        {
            return null;
        }

        phases.Insert(phases.FindIndex(p => p.Name == "total") is >= 0 and var at ? at : phases.Count, new() { Name = Phase, Seconds = Math.Round(seconds, 3) });
        return last;
    }

    internal async Task TellAsync(ModelKey model, DateTimeOffset minute, double seconds, CancellationToken cancellationToken)
    {
        try
        {
            var there = await api.GetAsync(ActivationKinds.Models, model.Namespace, model.Name, cancellationToken);
            if (With(there?.Status?.Activation, minute, seconds) is not { } status)
            {
                return;
            }

            // On what was read: a wake that has begun since is not written over.
            await api.ApplyPartAsync(ActivationKinds.Models, model, new() { Activation = status }, there!.Metadata.ResourceVersion, ActivationKinds.Manager, cancellationToken);
            ScaleMetrics.Took(new() { Name = Phase, Seconds = seconds });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The process ends; a phase is lost, nothing else.
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            Log.FirstByteUnwritten(logger, model, e.Message);
        }
    }
}
