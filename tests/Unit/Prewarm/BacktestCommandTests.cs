using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary><c>functions backtest</c> as a person calls it.</summary>
public sealed class BacktestCommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("backtest-");
    private readonly StringWriter _output = new();
    private readonly StringWriter _errors = new();

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _output.Dispose();
        _errors.Dispose();
    }

    [Theory]
    [InlineData("crlf", "timestamp,model\r\n1,a\r\n70,b\r\n200,a\r\n")]
    [InlineData("bom", "\ufefftimestamp,model\n1,a\n70,b\n200,a\n")]
    [InlineData("quotes and more columns", "\"Model\",x,\"Timestamp\"\n\"a\",1,\"1\"\nb,\"1,2\",70\n a ,\"say \"\"x\"\"\",200\n")]
    [InlineData("dates", "timestamp,model\n1970-01-01T00:00:01Z,a\n1970-01-01T08:01:10+08:00,b\n1970-01-01 00:03:20,a\n")]
    public void Csv_AsOthersWriteIt_IsRead(string why, string text)
    {
        Assert.True(Run(Write("t.csv", text), "--policies", "knative", "--csv", Path("out.csv")) == 0, why + _errors);
        Assert.Equal("knative,90,2,3,3,,1,180.000", File.ReadAllLines(Path("out.csv"))[1][..27]);
    }

    [Theory]
    [InlineData("timestamp,model\n1,a\ntimestamp,model\n2,b\n", "line 3: a second header")]
    [InlineData("timestamp,model\n2026-01-01T08:00:00Z,a\n2026-01-01T07:00:00Z,a\n", "line 3: unsorted: 2026-01-01T07:00:00Z after 2026-01-01T08:00:00Z")]
    [InlineData("timestamp,model\n1764547200000,a\n", "line 2: 1764547200000 is beyond the year 5000: seconds are expected")]
    [InlineData("timestamp,model\n\"1,a\n", "line 2: a quote is not closed")]
    [InlineData("5,a\n7,a\n", "line 1: neither a JSON object with \"id\" and \"t\" nor, as the first line of a CSV, the header timestamp,model")]
    [InlineData("timestamp;model\n5;a\n", "line 1: neither")]
    [InlineData("{\"id\":\"a\",\"t\":[1]}\n{\"id\":\"a\",\"t\":[2]}", "line 2: \"a\" is there twice")]
    [InlineData("{\"id\":\"a\",\"t\":[1764547200000,1]}", "line 1: the time at position 0 is beyond the year 5000")]
    [InlineData("timestamp,model\n", "t: no service in it")]
    public void Trace_ThatIsNone_IsRefusedInOneLine(string text, string says)
    {
        Assert.Equal(1, Run(Write("t", text)));
        Assert.Contains(says, _errors.ToString(), StringComparison.Ordinal);
        Assert.Single(_errors.ToString().TrimEnd().Split('\n'));
        Assert.Empty(_output.ToString());
    }

    /// <summary>What is there of it would be another trace, and none of its lines need be bad.</summary>
    [Fact]
    public void Gzip_CutOff_IsDamagedAndNoShorterTrace()
    {
        var whole = new MemoryStream();
        using (var zip = new GZipStream(whole, CompressionLevel.Fastest, leaveOpen: true))
        {
            zip.Write(Encoding.UTF8.GetBytes("timestamp,model\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{i * 7 + i % 5},m\n"))));
        }

        File.WriteAllBytes(Path("whole.gz"), whole.ToArray());
        Assert.Equal(0, Run(Path("whole.gz"), "--policies", "knative"));
        // The checksum and the length at the end are all that is missing.
        File.WriteAllBytes(Path("cut.gz"), whole.ToArray()[..^8]);
        Assert.Equal(1, Run(Path("cut.gz"), "--policies", "knative"));
        Assert.Contains("cut.gz, after line 20001: the gzip data is damaged", _errors.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--bogus", "unknown option: --bogus")]
    [InlineData("--patience x", "--patience wants seconds above 0")]
    [InlineData("--policies foo", "unknown policy: foo")]
    [InlineData("--min-arrivals 0", "--min-arrivals wants a whole number from 1")]
    [InlineData("--csv", "--csv wants a value")]
    [InlineData("--tiers p.json --decisions d.jsonl", "do not go with --tiers")]
    public void Options_ThatCannotBe_AreNamedInOneLine(string options, string says)
    {
        Assert.Equal(2, Run([Write("t.csv", "timestamp,model\n1,a\n"), .. options.Split(' ')]));
        Assert.Contains(says, _errors.ToString(), StringComparison.Ordinal);
        Assert.Single(_errors.ToString().TrimEnd().Split('\n'));
    }

    [Fact]
    public void Help_AnywhereInTheLine_IsTheHelp()
    {
        Assert.Equal(0, Run("x.csv", "--patience", "--help"));
        Assert.Equal(BacktestOptions.Usage, _output.ToString());
    }

    [Fact]
    public void Output_ThatCannotBeWritten_IsSaidBeforeTheWork()
    {
        Assert.Equal(1, Run(Write("t.csv", "timestamp,model\n1,a\n"), "--csv", Path("no/such/folder.csv")));
        Assert.DoesNotContain('%', _errors.ToString());
        Assert.Equal(1, Run(_folder.FullName));
        Assert.Contains("is a folder", _errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Decisions_OfTwoServicesOfOneName_AreRefused()
    {
        var (one, other) = (Write("1.csv", "timestamp,model\n1,a\n"), Write("2.csv", "timestamp,model\n1,a\n"));
        Assert.Equal(0, Run(one, other, "--policies", "knative"));
        Assert.Equal(1, Run(one, other, "--policies", "knative", "--decisions", Path("d")));
        Assert.Contains("\"a\" is in two files", _errors.ToString(), StringComparison.Ordinal);
    }

    /// <summary>The columns and names that others rely on, all files in one call, and the score again from the decisions.</summary>
    [Fact]
    public void Run_AllOutputs_AreAsOthersRelyOnThem()
    {
        var hourly = string.Join(',', Enumerable.Repeat("3600", 30));
        var traces = Write("t.jsonl", $$"""
            {"id":"a","h0":0,"h1":200000,"t":[100,{{hourly}}]}
            {"id":"b","h0":0,"h1":200000,"t":[50,40,40,20000,40]}
            """);
        var histories = (Write("h1.jsonl", $$"""{"id":"c","t":[70,{{hourly}}]}"""), Write("h2.csv", "timestamp,model\n1,d\n4000,d\n9000,d\n"));
        Assert.Equal(0, Run(traces, "--history", histories.Item1, histories.Item2, "--patience", "60,3600", "--csv", Path("out.csv"), "--decisions", Path("d.jsonl.gz"), "--plot", Path("front.svg")));
        var csv = File.ReadAllLines(Path("out.csv")).Select(l => l.Split(',')).ToList();
        Assert.Equal("policy,setting,services,arrivals,cold,cold_p75_percent,cold_excluding_first,idle_seconds".Split(','), csv[0][..8]);
        Assert.Equal((2, 13, 9, 1), (Rows("learned"), Rows("hybrid-"), Rows("fixed-"), Rows("knative")));
        Assert.Equal(1 + 2 + 13 + 9 + 1, csv.Count);
        Assert.All(csv.Skip(1), r => Assert.Equal(("2", "36"), (r[2], r[3])));
        Assert.Contains("100 %", _errors.ToString(), StringComparison.Ordinal);
        Assert.StartsWith("<svg", File.ReadAllText(Path("front.svg")), StringComparison.Ordinal);

        var arrivals = TraceReader.Read(traces).ToDictionary(s => s.Id);
        using var zip = new StreamReader(new GZipStream(File.OpenRead(Path("d.jsonl.gz")), CompressionMode.Decompress));
        var scores = csv.Skip(1).ToDictionary(r => (r[0], r[1]), _ => (Cold: 0, Idle: 0.0, Decisions: 0));
        while (zip.ReadLine() is { } line)
        {
            var decision = JsonDocument.Parse(line).RootElement;
            var (service, at) = (arrivals[decision.GetProperty("id").GetString()!], decision.GetProperty("at").GetDouble());
            var next = service.Arrivals.FirstOrDefault(a => a > at, double.NaN);
            var gap = (double.IsNaN(next) ? service.End : next) - at;
            var windows = decision.GetProperty("windows").EnumerateArray().Select(w => (Start: w[0].GetDouble(), End: w[1].GetDouble())).ToList();
            var key = (decision.GetProperty("policy").GetString()!, decision.GetProperty("setting").GetString()!);
            var score = scores[key];
            var cold = (at == service.Arrivals[0] ? 1 : 0) + (!double.IsNaN(next) && !windows.Exists(w => w.Start <= gap && gap < w.End) ? 1 : 0);
            scores[key] = (score.Cold + cold, score.Idle + windows.Sum(w => Math.Max(0, Math.Min(w.End, gap) - w.Start)), score.Decisions + 1);
        }

        foreach (var row in csv.Skip(1))
        {
            var score = scores[(row[0], row[1])];
            Assert.Equal((36, int.Parse(row[4], null)), (score.Decisions, score.Cold));
            Assert.Equal(double.Parse(row[7], System.Globalization.CultureInfo.InvariantCulture), score.Idle, 1e-2);
        }

        int Rows(string policy) => csv.Count(r => r[0].StartsWith(policy, StringComparison.Ordinal));
    }

    [Fact]
    public void Plot_ThousandsOfHours_AreWrittenOut()
    {
        var (small, large) = (new PolicyScore("learned", "60"), new PolicyScore("fixed-600", "600"));
        small.Add(1000, 1, 3600 * 30, 0);
        large.Add(1000, 900, 3600 * 4000.0, 0);
        var svg = FrontPlot.Svg([small, large]);
        Assert.Contains(">5000<", svg, StringComparison.Ordinal);
        Assert.Contains(">0.2 %<", svg, StringComparison.Ordinal);
        Assert.DoesNotContain("E+", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void Table_OfOnePolicy_StillHasItsShareOfTenMinutes()
    {
        Assert.Equal(0, Run(Write("t.csv", "timestamp,model\n0,a\n10000,a\n20000,a\n"), "--policies", "knative"));
        // Two gaps of 90 against 600 s; too few arrivals for a quartile.
        Assert.Contains("0.150", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", _output.ToString(), StringComparison.Ordinal);
    }

    private int Run(params string[] args)
    {
        _output.GetStringBuilder().Clear();
        _errors.GetStringBuilder().Clear();
        return BacktestCommand.Run(args, _output, _errors);
    }

    private string Write(string name, string text)
    {
        File.WriteAllText(Path(name), text);
        return Path(name);
    }

    private string Path(string name) => System.IO.Path.Combine(_folder.FullName, name);
}
