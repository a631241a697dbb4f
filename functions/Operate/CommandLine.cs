using Microsoft.Extensions.DependencyInjection;
using Prewarm.Functions.Operate.Doctor;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Functions.Operate;

/// <summary>What the program does besides serving functions.</summary>
internal static class CommandLine
{
    private const string Usage = """
        functions                      serves the functions until SIGTERM
        functions functions-json DIR   writes DIR/FUNCTION/function.json for each function, as the Azure Functions host
                                       reads them of a custom handler (dotnet publish does this to its output)
        functions doctor [--json]      compares the cluster with what is needed and prints the fix for each finding;
                                       exit code 1 when something is wrong. FUNCTIONS narrows the rights that are asked about
        functions backtest FILE…       replays recorded arrivals against prewarming policies; more with backtest --help
        functions --help               this text

        Environment when serving (or --NAME=VALUE, with : for each __):
          PORT                  port on all addresses (default 127.0.0.1:8080; 0 takes a free one); Host__Address narrows it
          FUNCTIONS             functions to serve, by name, comma list (default all): ModelUploaded, ClusterChanged, ScaleSignalled,
                                TrafficObserved, WakeRequested, Sweep, PrewarmTick, Predict (all prediction routes), Models (the list
                                and one), ModelsPlan, Doctor, Metrics, Health (/healthz and /readyz)
          KUBECONFIG            API server (default: the Pod's ServiceAccount, then ~/.kube/config)
          PREWARM_NAMESPACES    namespaces to look after, comma list (default all)
          Gateway__Address      URL of the mesh's ingress gateway
          Events__Token         token that senders of events must give (default none: everybody may)
          ObjectStore__Endpoint object store to use in place of every spec.source.endpoint
          Logging__Json         false writes logs as text
          OTEL_EXPORTER_OTLP_ENDPOINT, and the other standard OTEL_ variables: where traces go (default nowhere)

        """;

    /// <summary>Carries out a command; returns its exit code, or null when there is none and the functions are to be served.</summary>
    /// <param name="args">Settings such as <c>--PORT=0</c> are no command.</param>
    /// <param name="services">Where the functions are registered.</param>
    public static int? Run(IReadOnlyList<string> args, IServiceCollection services, TextWriter output, TextWriter errors)
    {
        switch (args)
        {
            case ["--help" or "-h" or "help", ..] or ["functions-json" or "doctor", "--help" or "-h"]:
                output.Write(Usage);
                return 0;
            case ["functions-json", var directory] when !directory.StartsWith('-'):
                services.WriteFunctionJson(directory);
                return 0;
            case ["doctor", ..]:
                return DoctorCommand.Run([.. args.Skip(1)], services, output, errors);
            case ["backtest", ..]:
                return BacktestCommand.Run([.. args.Skip(1)], output, errors);
            case [var first, ..] when !first.StartsWith('-') && !first.Contains('='):
                return Refuse(first == "functions-json" ? "functions-json takes one directory" : $"unknown command: {first}");
            default:
                return Unknown(args) is { } option ? Refuse($"unknown option: {option}; settings are environment variables, or --NAME=VALUE with : for each __") : null;
        }

        int Refuse(string why)
        {
            errors.Write($"{why}\n\n{Usage}");
            return 2;
        }
    }

    // --NAME=VALUE and --NAME VALUE are settings (the Functions host gives an isolated worker --host, --port and others); anything else would be passed over.
    private static string? Unknown(IReadOnlyList<string> args)
    {
        for (var i = 0; i < args.Count; i++)
        {
            var setting = args[i].StartsWith("--", StringComparison.Ordinal) || (args[i].Contains('=') && !args[i].StartsWith('-'));
            if (setting && !args[i].Contains('=') && i + 1 < args.Count && !args[i + 1].StartsWith('-'))
            {
                i++;
            }
            else if (!setting || !args[i].Contains('='))
            {
                return args[i];
            }
        }

        return null;
    }
}
