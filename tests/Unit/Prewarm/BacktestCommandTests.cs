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
    [InlineData("--csv ?", "--csv wants a value, and \"\" is none")]
    [InlineData("--history ?", "--history wants a value")]
    [InlineData("?", "the name of a trace is empty")]
    [InlineData("--min-arrivals x", "--min-arrivals wants a whole number from 1 to 1000000000, not \"x\"")]
    [InlineData("--folds 5.5", "--folds wants a whole number from 2 to 1000000000, not \"5.5\"")]
    [InlineData("--folds 2", "--folds 2 is more than the services with 1 arrivals or more, 1")]
    [InlineData("--bootstrap 100001", "--bootstrap wants a whole number from 10 to 100000, not \"100001\"")]
    [InlineData("--tiers p.json --decisions d.jsonl", "--decisions is for one tier and does not go with --tiers")]
    [InlineData("--policies knative --tiers p.json", "--policies is for one tier")]
    [InlineData("--tiers p.json --patience 60", "--patience is for one tier")]
    [InlineData("--tiers p.json --bootstrap 10", "--bootstrap is for one tier")]
    public void Options_ThatCannotBe_AreNamedInOneLine(string options, string says)
    {
        Assert.Equal(2, Run([Write("t.csv", "timestamp,model\n1,a\n"), .. options.Split(' ').Select(o => o.Trim('?'))]));
        Assert.Contains(says, _errors.ToString(), StringComparison.Ordinal);
        Assert.Single(_errors.ToString().TrimEnd().Split('\n'));
    }

    [Fact]
    public void Help_AnywhereInTheLine_IsTheHelp()
    {
        Assert.Equal(0, Run("x.csv", "--patience", "--help"));
        Assert.Equal(BacktestOptions.Usage, _output.ToString());
    }

    /// <summary>Refused before anything is read: the trace is none.</summary>
    [Theory]
    [InlineData("--csv no/such/out.csv", "--csv ~no/such/out.csv: there is no folder ~no/such: make it")]
    [InlineData("--plot .", "--plot ~. is a folder: give a file in it")]
    [InlineData("--decisions t.csv", "--decisions ~t.csv is the same file as that of a trace: give another one")]
    [InlineData("--plot sub/../t.csv", "the same file as that of a trace")]
    [InlineData("--plot link.csv", "the same file as that of a trace")]
    [InlineData("--csv linked/t.csv", "the same file as that of a trace")]
    [InlineData("--history h.csv --csv h.csv", "the same file as that of --history")]
    [InlineData("--tiers p.json --csv p.json", "the same file as that of --tiers")]
    [InlineData("--csv out --plot out", "--plot ~out is the same file as that of --csv")]
    public void Output_ThatCannotBe_IsRefusedBeforeAnythingIsRead(string options, string says)
    {
        var trace = Write("t.csv", "no trace");
        File.CreateSymbolicLink(Path("link.csv"), trace);
        Directory.CreateSymbolicLink(Path("linked"), _folder.FullName);
        Directory.CreateDirectory(Path("sub"));
        Assert.Equal(2, Run([trace, .. options.Split(' ').Select(o => o.StartsWith('-') ? o : Path(o))]));
        Assert.Contains(says.Replace("~", _folder.FullName + "/", StringComparison.Ordinal), _errors.ToString(), StringComparison.Ordinal);
        Assert.Equal("no trace", File.ReadAllText(trace));
        Assert.Single(_folder.GetFiles("*", SearchOption.TopDirectoryOnly), f => f.LinkTarget is null);
    }

    [Fact]
    public void Output_OfARunThatFails_IsWhatItWas()
    {
        var old = Write("out.csv", "old");
        Assert.Equal(1, Run(Write("t.csv", "no trace"), "--csv", old, "--decisions", Path("d.jsonl")));
        Assert.Equal("old", File.ReadAllText(old));
        Assert.Equal(["out.csv", "t.csv"], _folder.GetFiles().Select(f => f.Name).Order(StringComparer.Ordinal));
        Assert.Equal(1, Run(_folder.FullName));
        Assert.Contains("is a folder", _errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Output_ALinkOrADevice_IsWrittenThroughIt()
    {
        File.CreateSymbolicLink(Path("link.csv"), Write("real.csv", "old"));
        Assert.Equal(0, Run(Write("t.csv", "timestamp,model\n1,a\n"), "--policies", "knative", "--csv", Path("link.csv"), "--plot", "/dev/null", "--decisions", "/dev/null"));
        Assert.StartsWith("policy,", File.ReadAllText(Path("real.csv")), StringComparison.Ordinal);
        Assert.NotNull(new FileInfo(Path("link.csv")).LinkTarget);
    }

    /// <summary>Learned from by one group and scored in another, it would foretell itself.</summary>
    [Theory]
    [InlineData("--policies knative")]
    [InlineData("--folds 2")]
    public void Service_InTwoScoredFiles_IsRefused(string options)
    {
        var (one, other) = (Write("1.csv", "timestamp,model\n1,b\n2,a\n"), Write("2.csv", "timestamp,model\n1,a\n"));
        Assert.Equal(2, Run([one, other, .. options.Split(' ')]));
        Assert.Contains("\"a\" is in two files that are scored", _errors.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("timestamp,model\n1,a\n2,b\n100,b\n", "for 1 of its services, first \"b\": it teaches their future")]
    [InlineData("timestamp,model\n1,b\n500,c\n600,a\n", "for 1 of its services, first \"a\"")]
    [InlineData("timestamp,model\n99,a\n99,b\n500,c\n", null)]
    public void History_OfTheScoredServices_IsSaidWhereItGoesOnAfterTheyBegin(string history, string? says)
    {
        Assert.Equal(0, Run(Write("t.csv", "timestamp,model\n100,a\n100,b\n900,a\n"), "--history", Write("h.csv", history), "--policies", "knative"));
        Assert.Equal(says is not null, _errors.ToString().Contains("warning:", StringComparison.Ordinal));
        Assert.Contains(says ?? "", _errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void History_ThatMinArrivalsEmpties_IsSaid()
    {
        Assert.Equal(0, Run(Write("t.csv", "timestamp,model\n100,a\n900,a\n"), "--history", Write("h.csv", "timestamp,model\n1,c\n"), "--policies", "knative", "--min-arrivals", "2"));
        Assert.Contains("warning: no service of --history has 2 arrivals or more (--min-arrivals)", _errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Unguarded_Alone_HasItsRowsAndItsDecisions()
    {
        var trace = Write("t.csv", "timestamp,model\n0,a\n10000,a\n20000,a\n");
        Assert.Equal(0, Run(trace, "--policies", "unguarded", "--patience", "60,600"));
        Assert.Equal(2, _output.ToString().Split("\nunguarded").Length - 1);
        Assert.Equal(0, Run(trace, "--policies", "unguarded", "--patience", "60,600", "--csv", Path("out.csv"), "--plot", Path("front.svg"), "--decisions", Path("d.jsonl")));
        Assert.Equal(["unguarded,60,1,3", "unguarded,600,1,3"], File.ReadAllLines(Path("out.csv")).Skip(1).Select(l => string.Join(',', l.Split(',')[..4])));
        Assert.Equal(6, File.ReadAllLines(Path("d.jsonl")).Length);
        Assert.All(File.ReadAllLines(Path("d.jsonl")), l => Assert.Contains("\"unguarded\"", l, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"remote_gbit_s":1.5}""", "p.json: model_gb is missing: add it, as in {\"model_gb\":14,")]
    [InlineData("""{"model_gb":"14"}""", "p.json: model_gb is \"14\": give a number above 0")]
    [InlineData("{\n\"model_gb\":14,,", "p.json, line 2: no valid JSON")]
    [InlineData("[]", "p.json holds no JSON object")]
    [InlineData("""{"model_gb":14,"remote_gbit_s":1.5,"local_gbyte_s":2,"pod_start_s":10,"pod_hour":2,"cache_gb_hour":0.0002,"wait_s":0.01,"capacity_gb":-1}""", "capacity_gb is -1: give a number, 0 or more, or null for no limit")]
    [InlineData("""{"model_gb":14,"remote_gbit_s":1.5,"local_gbyte_s":2,"pod_start_s":10,"pod_hour":2,"cache_gb_hour":0.0002,"wait_s":-0.01}""", "wait_s is -0.01: give a number, 0 or more")]
    public void Prices_ThatAreNone_AreNamedWithTheFix(string prices, string says)
    {
        Assert.Equal(2, Run(Write("t.csv", "timestamp,model\n1,a\n"), "--tiers", Write("p.json", prices)));
        Assert.Contains(says, _errors.ToString(), StringComparison.Ordinal);
        Assert.Single(_errors.ToString().TrimEnd().Split('\n'));
    }

    [Fact]
    public void Prices_WithoutCapacity_HaveNoLimit()
    {
        var prices = Write("p.json", """{"model_gb":14,"remote_gbit_s":1.5,"local_gbyte_s":2,"pod_start_s":10,"pod_hour":2,"cache_gb_hour":0.0002,"wait_s":0.01}""");
        Assert.Equal(int.MaxValue, Functions.Prewarm.Tiers.TierPrices.Read(prices).Places);
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
    public void Documentation_HasEveryColumnAndOption()
    {
        var page = Manifests.ManifestFolder.Read("docs/backtest.md");
        var tiers = new PolicyScore("learned", "prices") { Tiers = new(new(14, 1.5, 2, 10, 2, 0.0002, 0.01, null)) };
        var columns = BacktestTable.Csv([new("learned", "60")]).Split('\n')[0].Split(',').Concat(BacktestTable.Csv([tiers]).Split('\n')[0].Split(','));
        var options = System.Text.RegularExpressions.Regex.Matches(BacktestOptions.Usage, "--[a-z-]+").Select(m => m.Value);
        Assert.All(columns, c => Assert.Contains($"`{c}`", page, StringComparison.Ordinal));
        Assert.All(options, o => Assert.Contains($"`{o}", page, StringComparison.Ordinal));
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
