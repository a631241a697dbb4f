namespace Prewarm.Functions.Operate.Doctor;

/// <summary>All checks on what was seen; pure.</summary>
internal static class Diagnosis
{
    public static DoctorReport Of(ClusterFacts facts)
    {
        List<Finding> findings = facts.Server is { Unseen: { } why }
            ? [Finding.Error("api-server", $"the API server does not answer: {why}", "set KUBECONFIG, or run in a Pod with a ServiceAccount token; see whether the address and the CA are right")]
            :
            [
                Finding.Ok("api-server", $"Kubernetes {facts.Server.Value!.Version}"),
                .. RequiredParts.Check(facts), .. KnativeSettings.Check(facts), .. PodSpecFlags.Check(facts), .. MeshPolicies.Check(facts), .. StoresAndSecrets.Check(facts), .. Surroundings.Check(facts),
            ];
        int Count(Severity severity) => findings.Count(f => f.Severity == severity);
        return new(Count(Severity.Error) == 0, Count(Severity.Error), Count(Severity.Warning), Count(Severity.Unknown), [.. findings.OrderByDescending(f => f.Severity)]);
    }

    /// <summary>For a terminal: the worst first, each with its fix.</summary>
    public static void Write(DoctorReport report, TextWriter output)
    {
        foreach (var finding in report.Findings)
        {
            var mark = finding.Severity switch { Severity.Ok => "ok     ", Severity.Warning => "WARNING", Severity.Error => "ERROR  ", _ => "unknown" };
            output.WriteLine($"{mark} {finding.Check}: {finding.Message}");
            if (finding.Fix is not null)
            {
                output.WriteLine($"        fix: {finding.Fix}");
            }
        }

        output.WriteLine($"{report.Errors} errors, {report.Warnings} warnings, {report.Unknown} unknown, {report.Findings.Count} checks");
    }
}
