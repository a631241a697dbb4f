using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using CsCheck;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>The short comparison never says that an object is as it should be when the long one says that it is not.</summary>
public class ObjectMatchTests
{
    private readonly LineWorld _world = new();

    public ObjectMatchTests() => _world.Serve("v1");

    [Fact]
    public void AsMade_WithOthersFieldsBeside_Alike()
    {
        Assert.True(ObjectMatch.Alike(_world.Datasets[0], Wanted(_world.Datasets[0], FluidJsonContext.Default.Dataset)));
        Assert.True(ObjectMatch.Alike(_world.Runtimes[0], Wanted(_world.Runtimes[0], FluidJsonContext.Default.JindoRuntime)));
        Assert.True(ObjectMatch.Alike(_world.Loads[0], Wanted(_world.Loads[0], FluidJsonContext.Default.DataLoad)));
        var service = Wanted(_world.Service!, ServingJsonContext.Default.InferenceService);
        _world.Service!.Spec!.Predictor!["model"] = new JsonObject { ["runtime"] = "somebody's" };
        _world.Service.Metadata.Labels!["somebody"] = "else";
        Assert.True(ObjectMatch.Alike(_world.Service, service));
    }

    [Fact]
    public void AnyLeafEdited_AlikeOnlyWhereTheLongComparisonAgrees() => Gen.Int[0, 10_000].Sample(pick =>
    {
        Holds(_world.Datasets[0], FluidJsonContext.Default.Dataset, pick);
        Holds(_world.Runtimes[0], FluidJsonContext.Default.JindoRuntime, pick);
        Holds(_world.Loads[0], FluidJsonContext.Default.DataLoad, pick);
        Holds(_world.Service!, ServingJsonContext.Default.InferenceService, pick);
    }, iter: 300);

    private static void Holds<T>(T made, JsonTypeInfo<T> json, int pick)
        where T : class
    {
        var text = JsonSerializer.SerializeToNode(Wanted(made, json), json)!.AsObject();
        var leaves = Leaves(text).ToList();
        var (parent, key) = leaves[pick % leaves.Count];
        switch (parent)
        {
            case JsonObject obj when pick % 3 == 0:
                obj.Remove(key);
                break;
            case JsonObject obj:
                obj[key] = Edited(obj[key]!);
                break;
            case JsonArray list:
                list[int.Parse(key, System.Globalization.CultureInfo.InvariantCulture)] = "edited";
                break;
        }

        T? observed;
        try
        {
            observed = text.Deserialize(json);
        }
        catch (JsonException)
        {
            return;
        }

        if (ObjectMatch.Alike(observed!, Wanted(made, json)))
        {
            Assert.True(JsonSubset.Covers(observed!, Wanted(made, json), json), $"{parent.GetPath()}.{key} was edited");
        }
    }

    private static JsonNode Edited(JsonNode leaf) => leaf.GetValueKind() switch
    {
        JsonValueKind.True => false,
        JsonValueKind.False => true,
        JsonValueKind.Number => 7777,
        _ => "edited",
    };

    /// <summary>What we would apply: without a status and what the server adds.</summary>
    private static T Wanted<T>(T made, JsonTypeInfo<T> json)
        where T : class
    {
        var text = JsonSerializer.SerializeToNode(made, json)!.AsObject();
        text.Remove("status");
        (text["metadata"] as JsonObject)!.Remove("creationTimestamp");
        return text.Deserialize(json)!;
    }

    private static IEnumerable<(JsonNode Parent, string Key)> Leaves(JsonNode node)
    {
        IEnumerable<(string Key, JsonNode? Value)> parts = node is JsonObject obj
            ? obj.Select(p => (p.Key, p.Value))
            : node.AsArray().Select((v, i) => (i.ToString(System.Globalization.CultureInfo.InvariantCulture), v));
        foreach (var (key, value) in parts.ToList())
        {
            if (value is JsonObject or JsonArray)
            {
                foreach (var leaf in Leaves(value))
                {
                    yield return leaf;
                }
            }
            else if (value is not null)
            {
                yield return (node, key);
            }
        }
    }
}
