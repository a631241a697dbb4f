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
    public async Task Command_AnythingElse_SaysHow(string arguments, int expected, string said)
    {
        var (code, output, errors) = await RunAsync(arguments.Split(' '));
        Assert.Equal(expected, code);
        Assert.Contains(said, expected == 0 ? output : errors, StringComparison.Ordinal);
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

    private static async Task<(int Code, string Output, string Errors)> RunAsync(params string[] args)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "functions.dll"), .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return (process.ExitCode, await output, await errors);
    }
}
