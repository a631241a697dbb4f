using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Prewarm.Sandbox.LanguageModel;
using Prewarm.Sandbox.Running;

namespace Prewarm.Sandbox;

/// <summary>The commands: the story (default), <c>up</c>, <c>train</c>.</summary>
internal static class CommandLine
{
    private static readonly Option<string?> s_kubeconfig = new("--kubeconfig") { Description = "Use this API server (with the CRDs of Fluid, KServe and Knative) instead of the built-in one", HelpName = "FILE" };
    private static readonly Option<Uri?> s_s3 = new("--s3")
    {
        Description = "Use this S3-compatible object store instead of the built-in one; needs --access-key and --secret-key",
        HelpName = "URL",
        CustomParser = ParseUrl,
    };
    private static readonly Option<string?> s_accessKey = new("--access-key") { Description = "Access key of the object store", HelpName = "K" };
    private static readonly Option<string?> s_secretKey = new("--secret-key") { Description = "Secret key of the object store", HelpName = "S" };
    private static readonly Option<string?> s_functions = new("--functions") { Description = "Run this published binary (or functions.dll) instead of the one built along", HelpName = "PATH" };
    private static readonly Option<string?> s_deploy = new("--deploy")
    {
        Description = "Deploy the functions from DIR/knative and DIR/eventing with kubectl: a Knative Service for each role, under its own ServiceAccount's rights",
        HelpName = "DIR",
    };
    private static readonly Option<int> s_replicas = new("--replicas") { Description = "Processes of the functions behind one address, 1 to 5", HelpName = "N", DefaultValueFactory = _ => new SandboxOptions().Replicas };
    private static readonly Option<string> s_bucket = new("--bucket") { Description = "The bucket to upload to", HelpName = "NAME", DefaultValueFactory = _ => new SandboxOptions().Bucket };
    private static readonly Option<int> s_nodes = new("--nodes") { Description = "Nodes of the cluster, 1 to 50", HelpName = "N", DefaultValueFactory = _ => new SandboxOptions().Nodes };
    private static readonly Option<double> s_remote = new("--remote-mbps") { Description = "Rate of the one link that all remote reads share, in Mbit/s; 0 = no limit", HelpName = "N", DefaultValueFactory = _ => new SandboxOptions().RemoteMbps };
    private static readonly Option<double> s_zero = new("--scale-to-zero") { Description = "Idle seconds until a model has no pods", HelpName = "SECONDS", DefaultValueFactory = _ => new SandboxOptions().ScaleToZero };
    private static readonly Option<double> s_pod = new("--pod-start") { Description = "Seconds from a pod's binding to its container's start", HelpName = "SECONDS", DefaultValueFactory = _ => new SandboxOptions().PodStart };
    private static readonly Option<string[]> s_fault = new("--fault") { Description = $"May be given several times: {SandboxFaults.Known}", HelpName = "NAME=VALUE", DefaultValueFactory = _ => [] };

    /// <summary>What a shell says of a program that Ctrl-C has ended before it was done.</summary>
    private const int Interrupted = 130;

    public static Task<int> RunAsync(string[] args)
    {
        s_replicas.Validators.Add(r => Range(r, 1, 5));
        s_nodes.Validators.Add(r => Range(r, 1, 50));
        s_remote.Validators.Add(r => Range(r, 0, 1e6));
        s_zero.Validators.Add(r => Range(r, 0.5, 86_400));
        s_pod.Validators.Add(r => Range(r, 0, 3600));
        var once = new Option<bool>("--once") { Description = "End after the story; the exit code is 0 only if every step passed" };
        var report = new Option<FileInfo?>("--report") { Description = "Write the report of the story to this file, as JSON", HelpName = "FILE" };
        var root = new RootCommand("Prewarm's sandbox: the whole cluster on this machine, on loopback only. Without a command it plays the tutorial and stays up until Ctrl-C.");
        root.Options.Add(once);
        root.Options.Add(report);
        Shared(root);
        root.SetAction((parsed, cancellationToken) => GuardAsync(() => Story.StoryCommand.RunAsync(Options(parsed), parsed.GetValue(once), parsed.GetValue(report)?.FullName, cancellationToken)));

        var json = new Option<bool>("--json") { Description = "Print where everything is as one JSON line" };
        var up = new Command("up", "Starts everything without a story and stays until it is stopped") { json };
        Shared(up);
        up.SetAction((parsed, cancellationToken) => GuardAsync(() => UpCommand.RunAsync(Options(parsed), parsed.GetValue(json), cancellationToken)));
        root.Subcommands.Add(up);

        var text = new Argument<string>("TEXT") { Description = "A text file to learn from" };
        var directory = new Argument<string>("DIR") { Description = "Where the model is written" };
        var train = new Command("train", "Trains a small language model on a text and writes it as a Hugging Face model folder with sharded safetensors") { text, directory };
        train.SetAction(parsed => TrainCommand.Run(parsed.GetRequiredValue(text), parsed.GetRequiredValue(directory)));
        root.Subcommands.Add(train);
        // What was started is ended in order: a few seconds more than the library allows by itself.
        return root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20) });
    }

    private static void Shared(Command command)
    {
        foreach (var option in (Option[])[s_kubeconfig, s_s3, s_accessKey, s_secretKey, s_functions, s_deploy, s_replicas, s_bucket, s_nodes, s_remote, s_zero, s_pod, s_fault])
        {
            command.Options.Add(option);
        }

        command.Validators.Add(result =>
        {
            if (result.GetResult(s_s3) is not null && (result.GetResult(s_accessKey) is null || result.GetResult(s_secretKey) is null))
            {
                result.AddError("--s3 needs --access-key and --secret-key");
            }

            if (result.GetValue(s_deploy) is { } folder)
            {
                CheckDeploy(result, folder);
            }
        });
    }

    private static void CheckDeploy(CommandResult result, string folder)
    {
        foreach (var part in (string[])["knative", "eventing"])
        {
            if (!File.Exists(Path.Combine(folder, part, "kustomization.yaml")))
            {
                result.AddError($"--deploy is '{folder}', which has no {part}/kustomization.yaml: give the folder of both, such as the checkout's root");
            }
        }

        if (result.GetResult(s_replicas) is { Implicit: false } || (result.GetValue(s_fault) ?? []).Any(f => f.StartsWith("functions-kill", StringComparison.Ordinal)))
        {
            result.AddError("--deploy runs pods: their number is the manifests', and functions-kill does not reach them; leave out --replicas and --fault functions-kill…");
        }
    }

    private static SandboxOptions Options(ParseResult parsed) => new()
    {
        Kubeconfig = parsed.GetValue(s_kubeconfig),
        S3 = parsed.GetValue(s_s3),
        AccessKey = parsed.GetValue(s_accessKey),
        SecretKey = parsed.GetValue(s_secretKey),
        Functions = parsed.GetValue(s_functions),
        Deploy = parsed.GetValue(s_deploy),
        Replicas = parsed.GetValue(s_replicas),
        Bucket = parsed.GetRequiredValue(s_bucket),
        Nodes = parsed.GetValue(s_nodes),
        RemoteMbps = parsed.GetValue(s_remote),
        ScaleToZero = parsed.GetValue(s_zero),
        PodStart = parsed.GetValue(s_pod),
        Faults = parsed.GetValue(s_fault) ?? [],
    };

    private static void Range(OptionResult result, double least, double most)
    {
        // What is no number at all is told by the option itself.
        if (result.Tokens.Count == 1 && double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && (value < least || value > most))
        {
            result.AddError($"{result.Option.Name} is {result.Tokens[0].Value}: give a number from {least} to {most}");
        }
    }

    private static Uri? ParseUrl(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
        {
            return url;
        }

        result.AddError($"--s3 is '{text}': give the URL of the store, such as http://127.0.0.1:9000");
        return null;
    }

    private static async Task<int> GuardAsync(Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (OperationCanceledException)
        {
            return Interrupted;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or IOException or HttpRequestException or Amazon.S3.AmazonS3Exception or Functions.Kubernetes.KubeApiException)
        {
            await Console.Error.WriteLineAsync($"sandbox: {e.Message}");
            return 1;
        }
    }
}
