using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>During an upgrade, a release and the one before it look at the same models.</summary>
public sealed class NewerReleaseTests
{
    private readonly LineWorld _world = new();

    [Fact]
    public void Status_OfANewerRelease_IsKeptThroughAWholeTakeover_AndNothingOfItIsUndone()
    {
        _world.Serve("v1");
        Write(status =>
        {
            status["canary"] = new JsonObject { ["percent"] = 5 };
            status["versions"]![0]!["signature"] = "sha256:1f";
            status["conditions"]!.AsArray().Add(new JsonObject { ["type"] = "SignatureVerified", ["status"] = "True", ["reason"] = "Signed", ["message"] = "by us", ["lastTransitionTime"] = "2026-11-24T08:00:00Z" });
        });
        Assert.Empty(_world.Settle());
        var before = Read();
        Assert.Empty(_world.Settle());
        Assert.True(JsonNode.DeepEquals(before, Read()));

        _world.Serve("v2");
        var after = Read();
        Assert.Equal(5, (int)after["canary"]!["percent"]!);
        Assert.Equal("sha256:1f", (string?)after["versions"]!.AsArray().Single(v => (string?)v!["name"] == "v1")!["signature"]);
        Assert.Equal("True", (string?)after["conditions"]!.AsArray().Single(c => (string?)c!["type"] == "SignatureVerified")!["status"]);
    }

    [Fact]
    public void State_ThatOnlyANewerReleaseKnows_IsLeftToIt_UntilTheModelIsDeleted()
    {
        _world.Serve("v1");
        _world.Upload("v2");
        Write(status => status["versions"]!.AsArray().Add(new JsonObject { ["name"] = "v2", ["digest"] = "d2", ["state"] = "Verifying" }));
        var before = Read();
        Assert.Empty(_world.Settle());
        Assert.True(JsonNode.DeepEquals(before, Read()));

        _world.Model.Metadata.DeletionTimestamp = _world.Now;
        Assert.Contains(_world.Settle(), a => a is LineAction.DeleteDataset);
    }

    [Fact]
    public void Fields_OfOtherWriters_AreReadAndNeverWrittenByTheLine()
    {
        Write(status =>
        {
            status["activation"] = new JsonObject { ["id"] = "x" };
            status["prewarm"] = new JsonObject { ["pods"] = 1 };
        });
        Assert.Equal("x", _world.Model.Status!.Activation!.Id);
        Assert.Null(Read()["activation"]);
        Assert.Null(Read()["prewarm"]);
    }

    private JsonNode Read() => JsonNode.Parse(JsonSerializer.Serialize(_world.Model, CatalogJsonContext.Default.CachedModel))!["status"]!;

    private void Write(Action<JsonNode> change)
    {
        var status = _world.Model.Status is null ? new JsonObject() : Read();
        change(status);
        _world.Model.Status = JsonSerializer.Deserialize(new JsonObject { ["status"] = status.DeepClone() }.ToJsonString(), CatalogJsonContext.Default.CachedModel)!.Status;
    }
}
