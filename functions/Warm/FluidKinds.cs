using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Warm;

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Dataset))]
[JsonSerializable(typeof(JindoRuntime))]
[JsonSerializable(typeof(DataLoad))]
internal sealed partial class FluidJsonContext : JsonSerializerContext;

internal static class FluidKinds
{
    public const string Group = "data.fluid.io";

    public static readonly ResourceType<Dataset> Datasets = new(Group, "v1alpha1", "datasets", "Dataset", FluidJsonContext.Default.Dataset);
    public static readonly ResourceType<JindoRuntime> JindoRuntimes = new(Group, "v1alpha1", "jindoruntimes", "JindoRuntime", FluidJsonContext.Default.JindoRuntime);
    public static readonly ResourceType<DataLoad> DataLoads = new(Group, "v1alpha1", "dataloads", "DataLoad", FluidJsonContext.Default.DataLoad);
}
