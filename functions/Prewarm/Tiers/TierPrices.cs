using System.Text.Json;

namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>What a model's data weighs, how fast it comes, and what holding and waiting cost: a prices file.</summary>
/// <param name="ModelGb">Size of each model, GB.</param>
/// <param name="RemoteGbitS">From object storage, Gbit/s.</param>
/// <param name="LocalGbyteS">From the cluster cache, GB/s.</param>
/// <param name="PodStartS">Everything of a pod's start but the data, seconds.</param>
/// <param name="PodHour">Price of a pod, starting or ready, per hour.</param>
/// <param name="CacheGbHour">Price of a GB in the cache per hour.</param>
/// <param name="WaitS">What a second of a caller's waiting is worth.</param>
/// <param name="CapacityGb">What the cache holds; null = anything.</param>
internal sealed record TierPrices(
    double ModelGb, double RemoteGbitS, double LocalGbyteS, double PodStartS, double PodHour, double CacheGbHour, double WaitS, double? CapacityGb)
{
    private const string Example = """{"model_gb":14,"remote_gbit_s":1.5,"local_gbyte_s":2,"pod_start_s":10,"pod_hour":2,"cache_gb_hour":0.0002,"wait_s":0.01,"capacity_gb":null}""";

    /// <summary>Seconds to bring the data into the cache.</summary>
    public double Fetch => ModelGb * 8 / RemoteGbitS;

    /// <summary>Seconds of a cold start with the data in the cache.</summary>
    public double StartLocal => PodStartS + ModelGb / LocalGbyteS;

    /// <summary>Seconds of a cold start without; the data is in the cache afterwards.</summary>
    public double StartRemote => PodStartS + Math.Max(Fetch, ModelGb / LocalGbyteS);

    /// <summary>Price of a pod per second.</summary>
    public double PodSecond => PodHour / 3600;

    /// <summary>Price of a model in the cache per second.</summary>
    public double CacheSecond => ModelGb * CacheGbHour / 3600;

    /// <summary>How many models the cache holds.</summary>
    public int Places => CapacityGb is { } gb ? (int)Math.Min(int.MaxValue, gb / ModelGb) : int.MaxValue;

    /// <exception cref="FormatException">The file is not a prices file, a field is missing or a number in it is impossible; the message names the file, the field and the fix.</exception>
    public static TierPrices Read(string path)
    {
        using var document = Parse(path);
        var root = document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement
            : throw new FormatException($"{path} holds no JSON object: write {Example}");
        return new(
            Above("model_gb"), Above("remote_gbit_s"), Above("local_gbyte_s"), NotBelow("pod_start_s"), NotBelow("pod_hour"), NotBelow("cache_gb_hour"), NotBelow("wait_s"),
            root.TryGetProperty("capacity_gb", out var capacity) && capacity.ValueKind != JsonValueKind.Null ? NotBelow("capacity_gb") : null);

        double Above(string field) => Number(field) is > 0 and var number ? number : throw Wrong(field, "a number above 0");

        double NotBelow(string field) => Number(field) is >= 0 and var number ? number
            : throw Wrong(field, field == "capacity_gb" ? "a number, 0 or more, or null for no limit" : "a number, 0 or more");

        double? Number(string field) => root.TryGetProperty(field, out var value)
            ? value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) ? number : null
            : throw new FormatException($"{path}: {field} is missing: add it, as in {Example}");

        FormatException Wrong(string field, string wanted) => new($"{path}: {field} is {root.GetProperty(field).GetRawText()}: give {wanted}");
    }

    private static JsonDocument Parse(string path)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllText(path));
        }
        catch (JsonException e)
        {
            throw new FormatException($"{path}, line {e.LineNumber + 1}: no valid JSON; write {Example}", e);
        }
    }
}
