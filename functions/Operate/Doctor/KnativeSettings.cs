using System.Globalization;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Knative's feature flags and the chain of time limits, against what the models ask for.</summary>
internal static class KnativeSettings
{
    // Defaults of knative/serving config/core/configmaps and pkg/deployment (facts/knative.md has the sources).
    private const double DefaultMaxRevisionSeconds = 600;
    private const double DefaultProgressSeconds = 600;
    private const double DefaultPredictorSeconds = 600;

    /// <summary>Share of a limit that a measured cold start may take: the next one may find its image, its node or its cache farther away.</summary>
    private const double Headroom = 0.8;

    public static IEnumerable<Finding> Check(ClusterFacts facts)
    {
        yield return Pvc(facts);
        yield return ScaleToZero(facts);
        foreach (var finding in TimeLimits(facts))
        {
            yield return finding;
        }
    }

    private static Finding Pvc(ClusterFacts facts)
    {
        const string check = "knative/pvc", key = "kubernetes.podspec-persistent-volume-claim";
        var features = facts.KnativeSettings.GetValueOrDefault("config-features");
        if (features is not { Unseen: null })
        {
            return Finding.Unknown(check, $"ConfigMap config-features: {features?.Unseen ?? "not asked"}");
        }

        var value = features.Value.Text("data", key);
        return string.Equals(value, "enabled", StringComparison.OrdinalIgnoreCase)
            ? Finding.Ok(check, $"{key} is enabled")
            : Finding.Error(check, $"{key} is {value ?? "not set (disabled)"}: Knative refuses pods that mount the cache",
                $"kubectl patch configmap config-features -n knative-serving --type merge -p '{{\"data\":{{\"{key}\":\"enabled\"}}}}'");
    }

    private static Finding ScaleToZero(ClusterFacts facts)
    {
        const string check = "knative/scale-to-zero";
        var autoscaler = facts.KnativeSettings.GetValueOrDefault("config-autoscaler");
        if (autoscaler is not { Unseen: null })
        {
            return Finding.Unknown(check, $"ConfigMap config-autoscaler: {autoscaler?.Unseen ?? "not asked"}");
        }

        return string.Equals(autoscaler.Value.Text("data", "enable-scale-to-zero"), "false", StringComparison.OrdinalIgnoreCase)
            ? Finding.Warning(check, "enable-scale-to-zero is false: idle models keep their pods", "set enable-scale-to-zero to \"true\" in config-autoscaler of knative-serving, or expect the cost")
            : Finding.Ok(check, "idle models go to zero");
    }

    /// <summary>The shortest limit of the chain ends a cold start: relay → revision → progress deadline.</summary>
    private static IEnumerable<Finding> TimeLimits(ClusterFacts facts)
    {
        const string check = "timeouts/chain";
        var defaults = facts.KnativeSettings.GetValueOrDefault("config-defaults");
        var deployment = facts.KnativeSettings.GetValueOrDefault("config-deployment");
        if (facts.Models.Value is not { } models || defaults is not { Unseen: null } || deployment is not { Unseen: null })
        {
            yield return Finding.Unknown(check, $"config-defaults: {defaults?.Unseen ?? "read"}; config-deployment: {deployment?.Unseen ?? "read"}; CachedModels: {facts.Models.Unseen ?? "read"}");
            yield break;
        }

        var most = Seconds(defaults.Value.Text("data", "max-revision-timeout-seconds")) ?? DefaultMaxRevisionSeconds;
        var progress = Seconds(deployment.Value.Text("data", "progress-deadline")) ?? DefaultProgressSeconds;
        var broken = false;
        foreach (var model in models)
        {
            var predictor = (double?)null;
            if (model.Spec?.Serving.Predictor?["timeout"] is { } timeout)
            {
                predictor = Seconds(timeout.ToJsonString());
            }

            var revision = predictor ?? DefaultPredictorSeconds;
            if (revision > most)
            {
                broken = true;
                yield return Finding.Error(check, $"{model.Key()}: spec.serving.predictor.timeout is {revision:0} s, and Knative grants a revision {most:0} s at most",
                    $"set max-revision-timeout-seconds in config-defaults of knative-serving to {revision:0} or more, or lower the timeout");
            }

            if (facts.Settings.RelaySeconds < revision)
            {
                broken = true;
                yield return Finding.Warning(check, $"{model.Key()}: the relay gives up after {facts.Settings.RelaySeconds:0} s, before the revision's {revision:0} s",
                    $"set Gateway__ActivityTimeoutSeconds to {revision:0} or more");
            }

            if (model.Spec?.Rollout.ReadyTimeoutSeconds is { } ready && ready < progress)
            {
                broken = true;
                yield return Finding.Warning(check, $"{model.Key()}: spec.rollout.readyTimeoutSeconds is {ready}, but Knative goes on with a failing revision for {progress:0} s",
                    "make it as long as progress-deadline, or shorten that in config-deployment of knative-serving");
            }

            if (ColdStart(model, facts.Settings.RelaySeconds, revision, progress) is { } slow)
            {
                broken = true;
                yield return slow;
            }
        }

        if (!broken)
        {
            yield return Finding.Ok(check, $"relay {facts.Settings.RelaySeconds:0} s, revisions at most {most:0} s, progress deadline {progress:0} s: enough for {models.Count} models");
        }
    }

    /// <summary>The last wake from zero, as measured, against the shortest limit that callers meet while they wait; null: it is well within, or none was seen.</summary>
    private static Finding? ColdStart(CachedModel model, double relay, double revision, double progress)
    {
        const string check = "timeouts/cold-start";
        (string Name, double Seconds, string Fix)[] limits =
        [
            ("the relay's limit", relay, "raise Gateway__ActivityTimeoutSeconds"),
            ("the revision's timeout", revision, "raise spec.serving.predictor.timeout"),
            ("Knative's progress-deadline", progress, "raise progress-deadline in config-deployment of knative-serving"),
        ];
        var shortest = limits.MinBy(l => l.Seconds);
        if (model.Status?.Activation is { Phase: "TimedOut" } failed)
        {
            return Finding.Warning(check, $"{model.Key()}: the last wake, at {failed.Since:u}, had no ready pod in time; the shortest limit is {shortest.Name}, {shortest.Seconds:0} s",
                $"see why in status.activation.message ({failed.Reason ?? "no reason known"}); if starts take that long, {shortest.Fix}");
        }

        return model.Status?.Activation is { Phase: "Ready" } last && last.Phases?.Find(p => p.Name == "total")?.Seconds is { } seconds && seconds > Headroom * shortest.Seconds
            ? Finding.Warning(check, $"{model.Key()}: the last wake took {seconds:0} s ({last.Verdict} cache), and {shortest.Name} is {shortest.Seconds:0} s",
                $"{shortest.Fix} to {Math.Ceiling(seconds / Headroom):0} or more, or prepare the model ahead (spec.prewarm)")
            : null;
    }

    /// <summary>Seconds of a plain number or of Go's time.Duration such as <c>10m</c> or <c>600s</c>; null for anything else.</summary>
    internal static double? Seconds(string? text)
    {
        text = text?.Trim().Trim('"');
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var plain))
        {
            return plain;
        }

        double sum = 0;
        var rest = text.AsSpan();
        while (rest.Length > 0)
        {
            var digits = 0;
            while (digits < rest.Length && (char.IsAsciiDigit(rest[digits]) || rest[digits] == '.'))
            {
                digits++;
            }

            var letters = digits;
            while (letters < rest.Length && char.IsAsciiLetter(rest[letters]))
            {
                letters++;
            }

            if (digits == 0 || !double.TryParse(rest[..digits], NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
            {
                return null;
            }

            double? unit = rest[digits..letters] switch { "h" => 3600, "m" => 60, "s" => 1, "ms" => 0.001, _ => null };
            if (unit is null)
            {
                return null;
            }

            sum += number * unit.Value;
            rest = rest[letters..];
        }

        return sum;
    }
}
