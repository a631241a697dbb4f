using System.Text.Json;
using System.Text.Json.Serialization;

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
    /// <summary>Seconds to bring the data into the cache.</summary>
    [JsonIgnore]
    public double Fetch => ModelGb * 8 / RemoteGbitS;

    /// <summary>Seconds of a cold start with the data in the cache.</summary>
    [JsonIgnore]
    public double StartLocal => PodStartS + ModelGb / LocalGbyteS;

    /// <summary>Seconds of a cold start without; the data is in the cache afterwards.</summary>
    [JsonIgnore]
    public double StartRemote => PodStartS + Math.Max(Fetch, ModelGb / LocalGbyteS);

    /// <summary>Price of a pod per second.</summary>
    [JsonIgnore]
    public double PodSecond => PodHour / 3600;

    /// <summary>Price of a model in the cache per second.</summary>
    [JsonIgnore]
    public double CacheSecond => ModelGb * CacheGbHour / 3600;

    /// <summary>How many models the cache holds.</summary>
    [JsonIgnore]
    public int Places => CapacityGb is { } gb ? (int)Math.Min(int.MaxValue, gb / ModelGb) : int.MaxValue;

    /// <exception cref="FormatException">The file is not a prices file, or a number in it is impossible; the message names the file and the field.</exception>
    public static TierPrices Read(string path)
    {
        TierPrices? prices;
        try
        {
            prices = JsonSerializer.Deserialize(File.ReadAllText(path), TierPricesJson.Default.TierPrices);
        }
        catch (JsonException e)
        {
            throw new FormatException($"{path}: {e.Message}", e);
        }

        if (prices is null)
        {
            throw new FormatException($"{path}: no prices in it");
        }

        Check(prices.ModelGb > 0, "model_gb", "above 0");
        Check(prices.RemoteGbitS > 0, "remote_gbit_s", "above 0");
        Check(prices.LocalGbyteS > 0, "local_gbyte_s", "above 0");
        Check(prices.PodStartS >= 0, "pod_start_s", "0 or more");
        Check(prices.PodHour >= 0, "pod_hour", "0 or more");
        Check(prices.CacheGbHour >= 0, "cache_gb_hour", "0 or more");
        Check(prices.WaitS >= 0, "wait_s", "0 or more");
        Check(prices.CapacityGb is null or >= 0, "capacity_gb", "null, or 0 or more");
        return prices;

        void Check(bool sound, string field, string wanted)
        {
            if (!sound)
            {
                throw new FormatException($"{path}: {field} has to be {wanted}");
            }
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(TierPrices))]
internal sealed partial class TierPricesJson : JsonSerializerContext;
