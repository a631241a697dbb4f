using System.Text;
using CsCheck;
using Prewarm.Functions.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

public sealed class ModelSearchTests
{
    [Theory]
    [InlineData("""{"model":"bloom","prompt":"x"}""", "bloom")]
    [InlineData("""{"prompt":"x","model":"bloom"}""", "bloom")]
    [InlineData("""{"a":{"model":"no"},"b":["model",{"model":"no"}],"c":"\"model\":\"no\"","model":"yes"}""", "yes")]
    [InlineData("""{"\u006dodel":"by\u0020escape"}""", "by escape")]
    [InlineData("""{"Model":"no","model":"yes"}""", "yes")]
    [InlineData("""{"model":"same","a":1,"model":"same"}""", "same")]
    [InlineData("""{"model":"first","a":{"model":"second"},"b":"\"model\":\"third\""}""", "first")]
    [InlineData(""" {  "model" : "org/model" } """, "org/model")]
    [InlineData("""{"modele":"model","model":"ü"}""", "ü")]
    [InlineData("\uFEFF{\"model\":\"after a mark\"}", "after a mark")]
    public void Search_AllAtOnceOrByteByByte_FindsTheOutermost(string json, string model)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        var whole = new ModelSearch();
        Assert.True(whole.Continue(bytes, ended: true));
        Assert.Equal(model, whole.Model);

        var parts = new ModelSearch();
        var length = 0;
        while (!parts.Continue(bytes.AsSpan(0, length), length == bytes.Length))
        {
            length++;
        }

        Assert.Equal(model, parts.Model);
    }

    [Theory]
    [InlineData("", "no JSON")]
    [InlineData("   ", "no JSON")]
    [InlineData("model=bloom", "no JSON")]
    [InlineData("{\"prompt\":\"x\"", "no JSON")]
    [InlineData("{'model':'bloom'}", "no JSON")]
    [InlineData("{/* */\"model\":\"bloom\"}", "no JSON")]
    [InlineData("{\"prompt\":\"x\"}", "no \"model\"")]
    [InlineData("{\"a\":{\"model\":\"x\"}}", "no \"model\"")]
    [InlineData("[{\"model\":\"x\"}]", "no JSON object")]
    [InlineData("\"model\"", "no JSON object")]
    [InlineData("{\"model\":5}", "not a string")]
    [InlineData("{\"model\":null}", "not a string")]
    [InlineData("{\"model\":{\"model\":\"x\"}}", "not a string")]
    [InlineData("{\"model\":[\"x\"]}", "not a string")]
    [InlineData("{\"model\":\"\"}", "empty")]
    [InlineData("{\"model\":\"first\",\"model\":\"second\"}", "twice, as 'first' and as 'second'")]
    [InlineData("{\"model\":\"first\",\"a\":1,\"\\u006dodel\":7}", "not a string")]
    [InlineData("{\"model\":\"\\ud800\"}", "UTF-8")]
    public void Search_NoModel_SaysWhy(string json, string why)
    {
        var search = new ModelSearch();
        Assert.True(search.Continue(Encoding.UTF8.GetBytes(json), ended: true));
        Assert.Null(search.Model);
        Assert.Contains(why, search.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Search_DeepNesting_IsRefusedNotFollowed()
    {
        var search = new ModelSearch();
        Assert.True(search.Continue(Encoding.UTF8.GetBytes("{\"a\":" + new string('[', 100_000)), ended: false));
        Assert.Contains("no JSON", search.Problem, StringComparison.Ordinal);
    }

    /// <summary>However a body is cut, the same is found.</summary>
    [Fact]
    public void Search_AnyCuts_GiveTheSame() =>
        Gen.Select(Gen.String, Gen.Int[1, 40], Gen.Int[0, 3]).Sample((text, step, place) =>
        {
            var quoted = System.Text.Json.JsonSerializer.Serialize(text);
            string[] members = [$"\"a\":{quoted}", $"\"b\":{{\"model\":{quoted}}}", "\"c\":[1,2,{\"model\":\"no\"}]"];
            var json = Encoding.UTF8.GetBytes("{" + string.Join(',', members.Take(place).Append("\"model\":\"yes\"").Concat(members.Skip(place))) + "}");
            var search = new ModelSearch();
            for (var length = step; !search.Continue(json.AsSpan(0, Math.Min(length, json.Length)), length >= json.Length); length += step)
            {
            }

            return search.Model == "yes";
        });

    /// <summary>A long text that dribbles in costs its length, not the square of it.</summary>
    [Fact]
    public void Worthwhile_LongString_IsLookedAtSeldom()
    {
        var text = Encoding.UTF8.GetBytes("{\"prompt\":\"" + new string('x', ModelInBody.Limit));
        var search = new ModelSearch();
        var looks = 0;
        for (var length = 0; length < text.Length; length += 100)
        {
            if (search.Worthwhile(length))
            {
                looks++;
                Assert.False(search.Continue(text.AsSpan(0, length), ended: false));
            }
        }

        Assert.InRange(looks, 20, 100);
    }
}
