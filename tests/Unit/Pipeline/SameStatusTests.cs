using System.Reflection;
using System.Text.Json;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>A status that says something else is written, whatever member says it; one that says the same is not.</summary>
public class SameStatusTests
{
    public static TheoryData<Type, string> Members => [.. ((Type[])[typeof(CachedModelStatus), typeof(ModelCondition), typeof(VersionStatus), typeof(HandledRequests)])
        .SelectMany(t => t.GetProperties().Where(p => p.CanWrite && !CachedModelStatus.OfOthers.Contains(p.Name, StringComparer.OrdinalIgnoreCase)).Select(p => (t, p.Name)))];

    [Theory]
    [MemberData(nameof(Members))]
    public void Same_OneMemberDiffers_IsNot(Type type, string member)
    {
        var (one, other) = (Full(), Full());
        Assert.True(LinePlanner.Same(one, other));
        var property = type.GetProperty(member)!;
        property.SetValue(Of(other, type), Another(property.PropertyType));
        Assert.False(LinePlanner.Same(one, other));
    }

    [Fact]
    public void Same_PartsOfOthersDiffer_IsTheSame()
    {
        var (one, other) = (Full(), Full());
        other.Activation = new();
        other.Reads = [];
        other.Prewarm = [];
        Assert.True(LinePlanner.Same(one, other));
    }

    [Fact]
    public void Same_AsReadAgain_IsTheSame() =>
        Assert.True(LinePlanner.Same(Full(), JsonSerializer.Deserialize(JsonSerializer.Serialize(new CachedModel { Status = Full() }, CatalogKinds.CachedModels.Json), CatalogKinds.CachedModels.Json)!.Status));

    [Fact]
    public void Same_NoneOrOne()
    {
        Assert.True(LinePlanner.Same(null, null));
        Assert.False(LinePlanner.Same(null, Full()));
        Assert.False(LinePlanner.Same(Full(), null));
    }

    private static CachedModelStatus Full() => new()
    {
        Phase = "Serving",
        Conditions = [new() { Type = "Ready" }, new() { Type = "Serving" }],
        Versions = [new() { Name = "v1" }, new() { Name = "v2", Newer = new() { ["later"] = JsonElement.Parse("1") } }],
        Locality = new() { Nodes = [new() { Name = "n" }] },
        Handled = new() { Retry = "r" },
    };

    private static object Of(CachedModelStatus status, Type type) =>
        type == typeof(CachedModelStatus) ? status : type == typeof(ModelCondition) ? status.Conditions![1] : type == typeof(VersionStatus) ? status.Versions![1] : status.Handled!;

    private static object Another(Type type)
    {
        var value = Nullable.GetUnderlyingType(type) ?? type;
        return value == typeof(string) ? "another"
            : value == typeof(int) ? 7
            : value == typeof(long) ? 7L
            : value == typeof(bool) ? true
            : value == typeof(DateTimeOffset) ? DateTimeOffset.UnixEpoch
            : value == typeof(Dictionary<string, JsonElement>) ? new Dictionary<string, JsonElement> { ["later"] = JsonElement.Parse("2") }
            : value == typeof(HandledRequests) ? new HandledRequests { Retry = "another" }
            : Activator.CreateInstance(value)!;
    }
}
