using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Operate;
using Xunit;

namespace Prewarm.Tests.Unit.Architecture;

/// <summary>
/// The same classes are meant to compile against Microsoft's worker packages (-p:UseAzureFunctionsWorker=true), which are not restorable everywhere:
/// so functions/ may use nothing of hosting/ that those packages lack, and hosting/ must have the shapes that they have
/// (azure-functions-dotnet-worker fb11333: FunctionAttribute, HttpTriggerAttribute, AuthorizationLevel, FunctionContext, FunctionsApplication).
/// </summary>
public class WorkerSurfaceTests
{
    private static readonly string[] InTheWorkerToo =
        ["AuthorizationLevel", "FunctionAttribute", "FunctionContext", "FunctionsApplication", "FunctionsApplicationBuilder", "FunctionsWebApplicationExtensions", "HttpTriggerAttribute"];

    /// <summary>What hosting/WorkerPackages puts in the place of ours.</summary>
    private static readonly string[] Replaced = ["FunctionServiceCollectionExtensions"];

    [Fact]
    public void Functions_UseOfHosting_OnlyWhatTheWorkerHas()
    {
        var hosting = typeof(FunctionAttribute).Assembly.GetExportedTypes().Select(t => t.Name).ToHashSet(StringComparer.Ordinal);
        // Everything that the app's own code, Program.cs included, names of the hosting assembly.
        var used = DependencyReader.Read(typeof(HealthReport).Assembly.Location, "")
            .Where(d => (d.To.StartsWith("Microsoft.Azure.Functions.Worker", StringComparison.Ordinal) || d.To == "Microsoft.Extensions.DependencyInjection") && hosting.Contains(d.Used))
            .Select(d => d.Used).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        Assert.Contains("FunctionAttribute", used);
        Assert.Contains("FunctionsApplication", used);
        Assert.Empty(used.Except(InTheWorkerToo).Except(Replaced));
    }

    [Fact]
    public void Hosting_Shapes_AsTheWorkerHasThem()
    {
        Assert.Equal(["System.String name"], typeof(FunctionAttribute).GetConstructors().Select(Parameters));
        Assert.False(typeof(FunctionAttribute).IsSealed);
        Assert.True(typeof(HttpTriggerAttribute).IsSealed);
        Assert.Equal(
            ["", "Microsoft.Azure.Functions.Worker.AuthorizationLevel authLevel", "Microsoft.Azure.Functions.Worker.AuthorizationLevel authLevel, System.String[] methods", "System.String[] methods"],
            typeof(HttpTriggerAttribute).GetConstructors().Select(Parameters).Order(StringComparer.Ordinal));
        Assert.Equal([("Anonymous", 0), ("User", 1), ("Function", 2), ("System", 3), ("Admin", 4)], Enum.GetValues<AuthorizationLevel>().Select(v => ($"{v}", (int)v)));
        // A trap of the worker's, kept: without a level given, methods alone mean Anonymous.
        Assert.Equal(AuthorizationLevel.Function, new HttpTriggerAttribute().AuthLevel);
        Assert.Equal(AuthorizationLevel.Anonymous, new HttpTriggerAttribute("get").AuthLevel);
    }

    private static string Parameters(System.Reflection.ConstructorInfo constructor) =>
        string.Join(", ", constructor.GetParameters().Select(p => $"{p.ParameterType} {p.Name}"));
}
