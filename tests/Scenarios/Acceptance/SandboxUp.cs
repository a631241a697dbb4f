using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Prewarm.Functions.Kubernetes;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary><c>sandbox up --json</c> as a process of its own, and what its one line says: all that a user has.</summary>
internal sealed class SandboxUp : IAsyncDisposable
{
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(120);

    /// <summary>What Kubernetes gives a pod by default; several sandboxes of ten processes stop at once here.</summary>
    private static readonly TimeSpan s_stopLimit = TimeSpan.FromSeconds(30);

    /// <summary>The functions as an image holds them, compiled ahead of time, instead of those that were built along.</summary>
    private static readonly string? s_functions = Environment.GetEnvironmentVariable("PREWARM_TEST_FUNCTIONS");

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _errors = new();
    private readonly List<IDisposable> _clients = [];
    private RealApiServer? _server;
    private bool _stopped;

    private SandboxUp(Process process, string folder) => (_process, Folder) = (process, folder);

    /// <summary>Its TMPDIR: whatever it leaves behind is seen here.</summary>
    public string Folder { get; }

    public int Id => _process.Id;
    public JsonObject Line { get; private set; } = [];
    public string Kubeconfig => (string)Line["kubeconfig"]!;
    public Uri OssEvents => new((string)Line["events"]!["oss"]!);
    public Uri SweepEvents => new((string)Line["events"]!["sweep"]!);

    /// <summary>The process that answers predictions; where the functions are deployed that role's only one.</summary>
    public int RelayId => Deployed ? ProcessesIn(Folder).Single(p => p.Environment.Any(e => e.StartsWith("FUNCTIONS=Predict,", StringComparison.Ordinal))).Id : (int)Line["functionsPid"]!;

    /// <summary>Every process of the functions.</summary>
    public IReadOnlyList<int> FunctionsIds => Deployed ? [.. ProcessesIn(Folder).Where(p => p.Environment.Any(e => e.StartsWith("FUNCTIONS=", StringComparison.Ordinal))).Select(p => p.Id)] : [(int)Line["functionsPid"]!];

    /// <summary>The API server, with the kubeconfig's user.</summary>
    public HttpClient Api { get; private set; } = null!;
    public HttpClient Relay { get; private set; } = null!;

    /// <summary>The role that has the line: its metrics are there.</summary>
    public Uri LineMetrics => new((string)Line["line"]! + "/metrics");
    public AmazonS3Client Store { get; private set; } = null!;
    public string AccessKeyId => (string)Line["objectStore"]!["accessKeyId"]!;
    public string AccessKeySecret => (string)Line["objectStore"]!["accessKeySecret"]!;

    /// <summary>The functions are deployed from <c>knative/</c> and <c>eventing/</c>: every role is a pod of its own, and the namespaces are there.</summary>
    public bool Deployed { get; private init; }

    /// <summary>
    /// On an API server of its own that PREWARM_TEST_API_SERVER starts, or on the one that PREWARM_TEST_KUBECONFIG names, and without either on the sandbox's own. On the former two the functions are
    /// deployed, so that every role has the rights of its ServiceAccount in the namespaces that are listed, and no others.
    /// </summary>
    /// <param name="namespaces">All that the story uses.</param>
    public static Task<SandboxUp> StartAsync(IReadOnlyList<string> namespaces, params string[] options) => StartAsync(namespaces, [], options);

    /// <param name="optional">Folders of <c>knative/optional</c> whose rights the story needs in those namespaces.</param>
    public static async Task<SandboxUp> StartAsync(IReadOnlyList<string> namespaces, IReadOnlyList<string> optional, params string[] options)
    {
        var server = await RealApiServer.StartAsync();
        if ((server?.Kubeconfig ?? Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG")) is not { Length: > 0 } kubeconfig)
        {
            return await StartAsync(options);
        }

        // How many there are of a role is the manifests' then.
        var replicas = Array.IndexOf(options, "--replicas");
        var others = replicas < 0 ? options : [.. options[..replicas], .. options[(replicas + 2)..]];
        var manifests = OwnNamespaces.Write(namespaces, KubectlTests.LaterSecret, optional);
        try
        {
            var sandbox = await StartAsync(true, [.. others, "--kubeconfig", kubeconfig, "--deploy", manifests]);
            sandbox._server = server;
            return sandbox;
        }
        catch when (server is not null)
        {
            await server.DisposeAsync();
            throw;
        }
        finally
        {
            Directory.Delete(manifests, recursive: true);
        }
    }

    public static Task<SandboxUp> StartAsync(params string[] options) => StartAsync(false, options);

    /// <summary>On the sandbox's own API server, with the functions deployed from a folder of <c>knative</c> and <c>eventing</c>.</summary>
    public static Task<SandboxUp> DeployAsync(string manifests, params string[] options) => StartAsync(true, [.. options, "--deploy", manifests]);

    private static async Task<SandboxUp> StartAsync(bool deployed, string[] options)
    {
        var folder = Directory.CreateTempSubdirectory("scenario-").FullName;
        var start = Command(folder, ["up", "--json", .. s_functions is { Length: > 0 } ? ["--functions", s_functions] : Array.Empty<string>(), .. options]);
        var sandbox = new SandboxUp(Process.Start(start)!, folder) { Deployed = deployed };
        sandbox._process.ErrorDataReceived += (_, line) => sandbox._errors.Enqueue(line.Data ?? "");
        sandbox._process.BeginErrorReadLine();
        using var limit = new CancellationTokenSource(s_startLimit, TimeProvider.System);
        var line = await sandbox._process.StandardOutput.ReadLineAsync(limit.Token);
        if (line is null)
        {
            throw new InvalidOperationException($"sandbox up ended before it said where it is: {string.Join('\n', sandbox._errors)}");
        }

        sandbox.Line = JsonNode.Parse(line)!.AsObject();
        sandbox.Connect();
        return sandbox;
    }

    /// <summary><c>sandbox train TEXT DIR</c>.</summary>
    public static async Task TrainAsync(string text, string directory)
    {
        var file = directory + ".txt";
        await File.WriteAllTextAsync(file, text);
        using var process = Process.Start(Command(Path.GetTempPath(), ["train", file, directory]))!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60), TimeProvider.System);
        await process.WaitForExitAsync(limit.Token);
        Assert.True(process.ExitCode == 0, await output + await errors);
    }

    /// <summary>SIGTERM; what is wrong with how it ended, or nothing.</summary>
    public async Task<List<string>> StopAsync()
    {
        _stopped = true;
        _clients.ForEach(c => c.Dispose());
        var wrong = new List<string>();
        var began = TimeProvider.System.GetTimestamp();
        _ = Kill(_process.Id, 15);
        try
        {
            using var limit = new CancellationTokenSource(s_stopLimit, TimeProvider.System);
            await _process.WaitForExitAsync(limit.Token);
            if (_process.ExitCode != 0)
            {
                wrong.Add($"exit code {_process.ExitCode}: {string.Join('\n', _errors)}");
            }
        }
        catch (OperationCanceledException)
        {
            wrong.Add($"still up {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s after SIGTERM, and with it {string.Join(", ", ProcessesIn(Folder).Select(p => Array.Find(p.Environment, e => e.StartsWith("FUNCTIONS=", StringComparison.Ordinal)) ?? $"process {p.Id}"))}");
            _process.Kill(entireProcessTree: true);
        }

        wrong.AddRange(ProcessesIn(Folder).Select(p => $"process {p.Id} is left"));
        wrong.AddRange(Directory.EnumerateFileSystemEntries(Folder, "prewarm*").Select(f => $"{f} is left"));
        Directory.Delete(Folder, recursive: true);
        _process.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        return wrong;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopped)
        {
            Assert.Equal([], await StopAsync());
        }
    }

    /// <summary>CPU seconds that a process has used since it began (/proc/PID/stat, fields 14 and 15, in hundredths).</summary>
    public static double CpuSeconds(int process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11]) + long.Parse(fields[12])) / 100.0;
    }

    private static ProcessStartInfo Command(string folder, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "sandbox.dll"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["TMPDIR"] = folder;
        return start;
    }

    /// <summary>Processes whose environment names the folder: the sandbox and whatever it has started.</summary>
    private static IEnumerable<(int Id, string[] Environment)> ProcessesIn(string folder)
    {
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            string? environment = null;
            try
            {
                environment = Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(process, "environ")));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended meanwhile, or is somebody else's.
            }

            if (environment?.Contains(folder, StringComparison.Ordinal) == true)
            {
                yield return (int.Parse(Path.GetFileName(process), System.Globalization.CultureInfo.InvariantCulture), environment.Split('\0'));
            }
        }
    }

    private void Connect()
    {
        Api = KubeApiFactory.CreateHttpClient(Kubeconfig);
        Relay = new() { BaseAddress = new((string)Line["relay"]!), Timeout = TimeSpan.FromSeconds(60) };
        Store = new(new BasicAWSCredentials(AccessKeyId, AccessKeySecret), new AmazonS3Config
        {
            ServiceURL = (string)Line["objectStore"]!["endpoint"]!,
            ForcePathStyle = true,
            AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });
        _clients.AddRange([Api, Relay, Store]);
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Kill(int pid, int signal);
}
