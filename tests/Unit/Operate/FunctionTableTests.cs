using System.Reflection;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Operate;
using Prewarm.Tests.Unit.Manifests;
using Xunit;

namespace Prewarm.Tests.Unit.Operate;

/// <summary>The functions that the program really registers, as the Azure Functions host and everybody's senders know them.</summary>
public sealed class FunctionTableTests : IDisposable
{
    /// <summary>Names and routes that triggers, scripts and dashboards use: changing a line here breaks them.</summary>
    private const string Table = """
        ClusterChanged post events/cluster
        Doctor get api/doctor
        Health get healthz
        HealthReady get readyz
        Metrics get metrics
        ModelUploaded post,options events/oss
        Models get api/models
        ModelsOne get api/models/{ns}/{name}
        ModelsPlan get api/models/{ns}/{name}/plan
        Predict any v1/{*rest}
        PredictModel any models/{*rest}
        PredictOpenAI any openai/{*rest}
        PredictV2 any v2/{*rest}
        PrewarmTick post events/tick
        ScaleSignalled post events/scale
        Sweep post events/sweep
        TrafficObserved post events/traffic
        WakeRequested post events/wake
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("functions-json");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task FunctionsJson_TheProgram_WritesWhatIsPromised()
    {
        var (code, _, errors) = await RunAsync("functions-json", _folder.FullName);
        Assert.True(code == 0, errors);
        var written = _folder.GetDirectories().OrderBy(d => d.Name, StringComparer.Ordinal).Select(d =>
        {
            var bindings = JsonNode.Parse(File.ReadAllText(Path.Combine(d.FullName, "function.json")))!["bindings"]!.AsArray();
            Assert.Equal(["httpTrigger", "http"], bindings.Select(b => (string)b!["type"]!));
            Assert.Equal("anonymous", (string?)bindings[0]!["authLevel"]);
            return $"{d.Name} {string.Join(',', bindings[0]!["methods"]?.AsArray().Select(m => (string)m!) ?? ["any"])} {bindings[0]!["route"]}";
        });
        Assert.Equal(Table.ReplaceLineEndings("\n").Split('\n'), written);
    }

    [Fact]
    public void FunctionAttributes_InTheAssembly_AllRegistered()
    {
        var attributed = typeof(CommandLine).Assembly.GetTypes()
            .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .Select(m => m.GetCustomAttribute<FunctionAttribute>()?.Name).OfType<string>().Order(StringComparer.Ordinal);
        Assert.Equal(Table.ReplaceLineEndings("\n").Split('\n').Select(l => l.Split(' ')[0]), attributed);
    }

    [Theory]
    [InlineData("--help", 0, "functions-json DIR")]
    [InlineData("functions-json", 2, "takes one directory")]
    [InlineData("functions-json --help", 0, "functions-json DIR")]
    [InlineData("functions-json --json", 2, "takes one directory")]
    [InlineData("doctor --help", 0, "functions doctor [--json]")]
    [InlineData("doctor --yaml", 2, "takes --json and nothing else")]
    [InlineData("warm", 2, "unknown command: warm")]
    [InlineData("--hlep", 2, "unknown option: --hlep")]
    [InlineData("--PORT=0 -v", 2, "unknown option: -v")]
    [InlineData("-v=1", 2, "unknown option: -v=1")]
    [InlineData("--port 0 serve", 2, "unknown option: serve")]
    public async Task Command_AnythingElse_SaysHow(string arguments, int expected, string said)
    {
        var (code, output, errors) = await RunAsync(arguments.Split(' '));
        Assert.Equal(expected, code);
        Assert.Contains(said, expected == 0 ? output : errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Help_NamesTheFunctions_ThatFunctionsTakes()
    {
        using var help = new StringWriter();
        CommandLine.Run(["--help"], new Microsoft.Extensions.DependencyInjection.ServiceCollection(), help, help);
        string[] routes = ["HealthReady", "ModelsOne", "PredictModel", "PredictOpenAI", "PredictV2"];
        Assert.All(Table.ReplaceLineEndings("\n").Split('\n').Select(l => l.Split(' ')[0]).Except(routes, StringComparer.Ordinal),
            name => Assert.Matches($@"\b{name}\b", help.ToString()));
    }

    /// <summary>As the Functions host starts an isolated worker, and as settings are given: no command, so the functions are served.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("--PORT=0 Relay:HoldTotal=5")]
    [InlineData("--host 127.0.0.1 --port 7071 --workerId 1 --requestId 2 --grpcMaxMessageLength 3 --functions-uri http://127.0.0.1:7071")]
    public void Settings_AreNoCommand(string arguments) =>
        Assert.Null(CommandLine.Run(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), new Microsoft.Extensions.DependencyInjection.ServiceCollection(), TextWriter.Null, TextWriter.Null));

    [Theory]
    [InlineData("PORT", "abc", "PORT is 'abc': give a number")]
    [InlineData("FUNCTIONS", "Nope", "FUNCTIONS names unknown functions: Nope. Known: ")]
    [InlineData("Gateway__Address", "foo", "Gateway__Address is 'foo': Gateway__Address is not an http(s) URL: write it as http://host:port")]
    [InlineData("Relay__HoldTotal", "x", "Relay__HoldTotal is 'x': Relay__HoldTotal is not a number above 0")]
    [InlineData("Prewarm__CacheGB", "200,5", "Prewarm__CacheGB is \"200,5\": write a number, 0 or more")]
    [InlineData("KUBECONFIG", "/nowhere/config", "KUBECONFIG names '/nowhere/config', which does not exist")]
    public async Task Start_SettingThatCannotBe_IsOneLineAndCode2(string variable, string value, string says)
    {
        var kubeconfig = Path.Combine(_folder.FullName, "config");
        File.WriteAllText(kubeconfig, "{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: c, context: {cluster: c, user: c}}], users: [{name: c, user: {token: t}}]}");
        var (code, _, errors) = await RunAsync([], ("PORT", "0"), ("Host__Address", "127.0.0.1"), ("KUBECONFIG", kubeconfig), (variable, value));
        Assert.Equal(2, code);
        Assert.StartsWith(says, errors, StringComparison.Ordinal);
        Assert.Single(errors.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task Doctor_BrokenKubeconfig_IsOneLine()
    {
        var kubeconfig = Path.Combine(_folder.FullName, "config");
        File.WriteAllText(kubeconfig, "");
        var (code, _, errors) = await RunAsync(["doctor"], ("KUBECONFIG", kubeconfig));
        Assert.Equal(1, code);
        Assert.StartsWith($"the kubeconfig {kubeconfig} cannot be used (it is empty): correct it", errors, StringComparison.Ordinal);
        Assert.Single(errors.TrimEnd().Split('\n'));
    }

    /// <summary>A restore of the ordinary build must never ask for Microsoft's worker packages: they are not served everywhere.</summary>
    [Theory]
    [InlineData("functions/functions.csproj")]
    [InlineData("Directory.Packages.props")]
    public void WorkerPackages_OnlyUnderTheProperty(string file)
    {
        var items = XDocument.Load(Path.Combine(ManifestFolder.Root, file)).Descendants()
            .Where(e => e.Attribute("Include")?.Value.StartsWith("Microsoft.Azure.Functions.", StringComparison.Ordinal) == true).ToList();
        Assert.NotEmpty(items);
        Assert.All(items, i => Assert.Equal("'$(UseAzureFunctionsWorker)' == 'true'", i.Parent!.Attribute("Condition")?.Value));
    }

    private static Task<(int Code, string Output, string Errors)> RunAsync(params string[] args) => RunAsync(args, []);

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string[] args, params (string Name, string Value)[] environment)
    {
        var start = new System.Diagnostics.ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "functions.dll"), .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = System.Diagnostics.Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return (process.ExitCode, await output, await errors);
    }
}
