using System.Text;
using CsCheck;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public sealed class PrometheusAnswerReaderTests
{
    private const string Answer = """
        {"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"namespace":"default","revision":"bloom-predictor-00001"},"values":[[1764000060,"3"],[1764000120,"0.6"]]},
        {"metric":{},"values":[[1764000060.0,"1e2"]]}],"stats":{"timings":{"evalTotalTime":0.1}}},"infos":["metric might not be a counter"]}
        """;

    private static readonly string[] s_put = ["", "\"", "[", "]", "{", "}", ",", "null", "\"NaN\"", "[[[[", "\u00ff", "\\u"];

    [Fact]
    public void Read_Matrix_IsItsSeries()
    {
        var answer = Read(Answer);
        Assert.Equal((PrometheusResult.Read, "", 0), (answer.Result, answer.Message, answer.Odd));
        Assert.Equal([(1764000060, 3), (1764000120, 1)], answer.Series[0].Points);
        Assert.Equal("bloom-predictor-00001", answer.Series[0].Labels["revision"]);
        Assert.Equal([(1764000060, 100)], answer.Series[1].Points);
    }

    [Theory]
    [InlineData("[[60,\"NaN\"],[120,\"+Inf\"],[180,\"-Inf\"],[240,\"-1\"],[300,\"1e300\"],[360,\"2\"]]", 5)]
    [InlineData("[[60],[\"60\",\"1\"],[60,1],7,null,{\"a\":[1]},[60,\"\"],[60,\"x\"],[360,\"2\"]]", 8)]
    public void Read_ValuesThatAreNoCount_AreLeftOutAndCounted(string values, int odd)
    {
        var answer = Read($$$"""{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":{{{values}}}}]}}""");
        Assert.Equal((PrometheusResult.Read, odd), (answer.Result, answer.Odd));
        Assert.Equal([(360, 2)], Assert.Single(answer.Series).Points);
    }

    [Fact]
    public void Read_NativeHistograms_AreOdd() =>
        Assert.Equal(1, Read("""{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[[60,{"count":"1"}]]}]}}""").Odd);

    [Fact]
    public void Read_WithWarnings_IsPartialAndSaysTheFirst()
    {
        var answer = Read(Answer.Replace("\"infos\":[\"", "\"warnings\":[\"store-1 did not answer\\nin time\",\"", StringComparison.Ordinal));
        Assert.Equal((PrometheusResult.Partial, "store-1 did not answer in time", 2), (answer.Result, answer.Message, answer.Series.Count));
    }

    [Fact]
    public void Read_Error_IsRefusedAndSaysWhyInALine()
    {
        var answer = Read($$"""{"status":"error","errorType":"bad_data","error":"parse error:\r\n{{new string('x', 1000)}}"}""");
        Assert.Equal(PrometheusResult.Refused, answer.Result);
        Assert.StartsWith("parse error:  xxx", answer.Message, StringComparison.Ordinal);
        Assert.Equal(201, answer.Message.Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"status\":\"success\"}")]
    [InlineData("{\"status\":\"success\",\"data\":[]}")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}{}")]
    public void Read_Garbage_IsUnreadable(string text) => Assert.Equal(PrometheusResult.Unreadable, Read(text).Result);

    [Fact]
    public void Read_MoreSeriesThanTheBound_NoneIsBelieved()
    {
        string Of(int series) => $$$"""{"status":"success","data":{"resultType":"matrix","result":[{{{string.Join(',', Enumerable.Repeat("""{"metric":{},"values":[]}""", series))}}}]}}""";
        Assert.Equal((PrometheusResult.Read, PrometheusAnswerReader.MostSeries), (Read(Of(PrometheusAnswerReader.MostSeries)).Result, Read(Of(PrometheusAnswerReader.MostSeries)).Series.Count));
        var answer = Read(Of(PrometheusAnswerReader.MostSeries + 1));
        Assert.Equal((PrometheusResult.TooManySeries, 0), (answer.Result, answer.Series.Count));
    }

    /// <summary>Whatever is cut out of an answer or put into it: an answer, and no exception.</summary>
    [Fact]
    public void Read_Mutilated_NeverThrows() =>
        Gen.Select(Gen.Int[0, Answer.Length - 1], Gen.Int[0, 40], Gen.Int[0, s_put.Length - 1]).Sample((at, length, put) =>
            Assert.NotNull(Read(Answer.Remove(at, Math.Min(length, Answer.Length - at)).Insert(at, s_put[put]))));

    private static PrometheusAnswer Read(string text) => PrometheusAnswerReader.Read(Encoding.UTF8.GetBytes(text));
}
