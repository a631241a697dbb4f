using System.Globalization;
using Prewarm.Tests.Benchmarks.Running;

namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>
/// What the relay costs beside no proxy, YARP alone and nginx, on this machine, before one upstream: each scenario in turn with each of them, again and again, so that
/// whatever the machine does besides falls on all alike. Medians over the rounds, with the quartiles as spread.
/// <c>--only "64 KB"</c> takes one scenario (three runs of one are as good as one of three), <c>--beside FILE</c> a second build of the functions, to see what a change does,
/// <c>--proxies YARP,relay</c> only those.
/// </summary>
internal static class RelayBenchmark
{
    private sealed record Sample(double CpuPerRequest, double? AllocatedPerRequest, double PerSecond, double P50, double P99);

    public static async Task<int> RunAsync(Arguments arguments)
    {
        var rounds = arguments.Number("rounds", 10);
        var time = TimeSpan.FromSeconds(arguments.Real("seconds", 1.5));
        var connections = arguments.Number("connections", 16);
        var warmUp = TimeSpan.FromSeconds(arguments.Real("warmup", 5));
        var folder = Directory.CreateTempSubdirectory("relay-bench").FullName;
        await using var upstream = await Upstream.StartAsync();
        var (relay, api) = await WarmRelay.StartAsync(upstream.Address, folder, arguments.Text("functions"));
        await using var server = api;
        var self = Environment.ProcessPath!;
        var dotnet = Path.GetFileNameWithoutExtension(self) == "dotnet";
        var only = arguments.Text("only");
        var wanted = arguments.Text("proxies")?.Split(',');
        List<Proxy> proxies =
        [
            new("direct", upstream.Address, null, false, null),
            await Proxy.StartAsync("YARP", true, null, self, dotnet ? [typeof(RelayBenchmark).Assembly.Location, "bare-yarp", upstream.Address.ToString()] : ["bare-yarp", upstream.Address.ToString()]),
            relay,
        ];
        if ((arguments.Text("nginx") ?? "/usr/sbin/nginx") is var nginx && File.Exists(nginx))
        {
            proxies.Add(await Nginx.StartAsync(upstream.Address, folder, nginx));
        }

        var (beside, besideApi) = arguments.Text("beside") is { } other ? await WarmRelay.StartAsync(upstream.Address, Directory.CreateDirectory(Path.Combine(folder, "beside")).FullName, other, "beside") : (null, null);
        await using var second = besideApi;
        if (beside is not null)
        {
            proxies.Add(beside);
        }

        foreach (var proxy in proxies.Where(p => wanted?.Contains(p.Name) == false).ToList())
        {
            await proxy.DisposeAsync();
            proxies.Remove(proxy);
        }

        try
        {
            var samples = new Dictionary<(string Scenario, string Proxy), List<Sample>>();
            foreach (var proxy in proxies)
            {
                // Until the second tier of the compiler is done; with what is asked between the rounds, too, or its compilation would be counted as the requests'.
                for (var asked = 0; asked < 200; asked++)
                {
                    await proxy.AllocatedAsync();
                }

                foreach (var scenario in Payloads.Scenarios.Where(s => only is null || s == only))
                {
                    await Load.RunAsync(proxy.Address, scenario, connections, warmUp);
                }
            }

            for (var round = 0; round < rounds; round++)
            {
                foreach (var scenario in Payloads.Scenarios.Where(s => only is null || s == only))
                {
                    for (var i = 0; i < proxies.Count; i++)
                    {
                        var proxy = proxies[(i + round) % proxies.Count];
                        // What asking costs is not the requests': it is measured by asking twice, and is over before the CPU's count begins.
                        var (asked, allocated) = (await proxy.AllocatedAsync(), await proxy.AllocatedAsync());
                        var cpu = proxy.Cpu();
                        var load = await Load.RunAsync(proxy.Address, scenario, connections, time);
                        var (cpuAfter, allocatedAfter) = (proxy.Cpu(), await proxy.AllocatedAsync());
                        if (!samples.TryGetValue((scenario, proxy.Name), out var list))
                        {
                            samples[(scenario, proxy.Name)] = list = [];
                        }

                        list.Add(new((cpuAfter - cpu) / load.Requests, (allocatedAfter - allocated - (allocated - asked)) / load.Requests, load.Requests / load.Seconds, load.Percentile(0.5), load.Percentile(0.99)));
                    }
                }
            }

            await Console.Out.WriteLineAsync(Table(samples, proxies));
            return 0;
        }
        finally
        {
            foreach (var proxy in proxies)
            {
                await proxy.DisposeAsync();
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Table(Dictionary<(string Scenario, string Proxy), List<Sample>> samples, List<Proxy> proxies)
    {
        List<string> lines = ["| answer | by | CPU µs/request | against YARP | bytes/request | requests/s | against YARP | p50 ms | p99 ms |", "|---|---|---|---|---|---|---|---|---|"];
        foreach (var scenario in Payloads.Scenarios.Where(s => samples.ContainsKey((s, "YARP"))))
        {
            var yarp = samples[(scenario, "YARP")];
            foreach (var proxy in proxies)
            {
                var own = samples[(scenario, proxy.Name)];
                lines.Add(string.Create(CultureInfo.InvariantCulture,
                    $"| {scenario} | {proxy.Name} | {Spread(own.Select(s => s.CpuPerRequest), "0.0")} | {Ratio(own, yarp, s => s.CpuPerRequest)} | {Spread(own.Select(s => s.AllocatedPerRequest ?? 0), "0")} | {Spread(own.Select(s => s.PerSecond), "0")} | {Ratio(own, yarp, s => s.PerSecond)} | {Spread(own.Select(s => s.P50), "0.000")} | {Spread(own.Select(s => s.P99), "0.00")} |"));
            }
        }

        return string.Join('\n', lines) + $"\n\nIn the stream, p50 and p99 are of a token from its writing to its arrival; a request has {Payloads.Tokens} tokens.";
    }

    /// <summary>Median of the rounds' own ratios: each round stands for itself.</summary>
    private static string Ratio(List<Sample> own, List<Sample> yarp, Func<Sample, double> value) =>
        own.All(s => value(s) == 0) ? "" : Quantile(own.Zip(yarp, (a, b) => value(a) / value(b)), 0.5).ToString("0.00", CultureInfo.InvariantCulture);

    private static string Spread(IEnumerable<double> values, string format)
    {
        var all = values.ToList();
        return all.TrueForAll(v => v == 0) ? "" : string.Create(CultureInfo.InvariantCulture,
            $"{Quantile(all, 0.5).ToString(format, CultureInfo.InvariantCulture)} ({Quantile(all, 0.25).ToString(format, CultureInfo.InvariantCulture)}–{Quantile(all, 0.75).ToString(format, CultureInfo.InvariantCulture)})");
    }

    private static double Quantile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        var at = share * (sorted.Length - 1);
        var low = (int)at;
        return sorted[low] + ((at - low) * (sorted[Math.Min(low + 1, sorted.Length - 1)] - sorted[low]));
    }
}
