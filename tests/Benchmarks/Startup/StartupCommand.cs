using System.Globalization;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Running;
using Prewarm.Tests.Benchmarks.Running;

namespace Prewarm.Tests.Benchmarks.Startup;

/// <summary>
/// <c>startup [--rounds N] [--functions-aot DIR] [--functions-jit DIR] [--floor DIR] [--roles true]</c>: every contender once per round, so that what
/// else happens on the machine happens to all of them. Publishes what is not given.
/// </summary>
internal static class StartupCommand
{
    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var work = Directory.CreateTempSubdirectory("prewarm-startup-").FullName;
        try
        {
            var contenders = await ContendersAsync(arguments, work, cancellationToken);
            await using var server = await ApiServer.StartAsync(new(), cancellationToken);
            var kubeconfig = await AccountAsync(server, work, cancellationToken);
            var list = contenders(kubeconfig);
            for (var round = 0; round < arguments.Number("rounds", 10); round++)
            {
                foreach (var contender in list)
                {
                    contender.Readings.Add(await StartupRun.MeasureAsync(contender, cancellationToken));
                }

                Console.Error.WriteLine($"round {(round + 1).ToString(CultureInfo.InvariantCulture)}");
            }

            Show(list);
            return 0;
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static async Task<Func<string, List<Contender>>> ContendersAsync(Arguments arguments, string work, CancellationToken cancellationToken)
    {
        var floor = await FolderAsync(arguments.Text("floor"), Path.Combine(work, "floor"), "tests/Benchmarks/Floor", native: true, cancellationToken);
        var aot = await FolderAsync(arguments.Text("functions-aot"), Path.Combine(work, "aot"), "functions", native: true, cancellationToken);
        var jit = arguments.Text("roles") is null
            ? await FolderAsync(arguments.Text("functions-jit"), Path.Combine(work, "jit"), "functions", native: false, cancellationToken)
            : null;
        return kubeconfig =>
        {
            var list = new List<Contender> { new("bare ASP.NET Core, AOT (the floor)", floor, Path.Combine(floor, "floor"), new Dictionary<string, string>(), false) };
            Contender Ours(string name, string folder, string program, string? role, string file) => new(name, folder, Path.Combine(folder, program), Settings(role, file), file == kubeconfig);
            if (jit is null)
            {
                list.AddRange(RoleEnvironment.Roles.Select(r => Ours($"functions, AOT, {r}", aot, "functions", r, kubeconfig)));
                return list;
            }

            list.Add(Ours("functions, AOT, all", aot, "functions", null, kubeconfig));
            list.Add(Ours("functions, AOT, relay only", aot, "functions", "relay", kubeconfig));
            list.Add(Ours("functions, AOT, all, no API server", aot, "functions", null, Path.Combine(work, "away.kubeconfig")));
            list.Add(Ours("functions, JIT, all", jit, "functions.dll", null, kubeconfig));
            list.Add(Ours("functions, JIT, relay only", jit, "functions.dll", "relay", kubeconfig));
            return list;
        };
    }

    private static async Task<string> FolderAsync(string? given, string otherwise, string project, bool native, CancellationToken cancellationToken)
    {
        if (given is null)
        {
            await Publication.PublishAsync(project, otherwise, native, cancellationToken);
        }

        return Path.GetFullPath(given ?? otherwise);
    }

    private static Dictionary<string, string> Settings(string? role, string kubeconfig) => new(role is null ? [] : RoleEnvironment.Of(role))
    {
        ["KUBECONFIG"] = kubeconfig,
        ["Host__Address"] = "127.0.0.1",
        ["Gateway__Address"] = "http://127.0.0.1:9",
        ["Events__Token"] = "token",
    };

    /// <summary>The account that the functions have in the sandbox, and one of an API server that is not there.</summary>
    private static async Task<string> AccountAsync(ApiServer server, string work, CancellationToken cancellationToken)
    {
        var admin = server.WriteKubeconfig(Path.Combine(work, "admin.kubeconfig"));
        using var http = KubeApiFactory.CreateHttpClient(admin);
        using var api = new KubeApi(http);
        await OwnCrd.EnsureAsync(api, cancellationToken);
        var file = await FunctionsAccess.WriteKubeconfigAsync(api, new AccountAccess(http, admin), Path.Combine(work, "functions.kubeconfig"), cancellationToken);
        var text = await File.ReadAllTextAsync(file, cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(work, "away.kubeconfig"), text.Replace($":{server.Address.Port}", ":9", StringComparison.Ordinal), cancellationToken);
        return file;
    }

    private static void Show(List<Contender> list)
    {
        var floor = new Spread(list[0].Readings.Select(r => r.FirstAnswerMs)).Median;
        Console.WriteLine("| started | first answer, ms | × floor | CPU until then, ms | ready, ms | RSS, MiB | publish folder, MiB |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (var contender in list)
        {
            var first = new Spread(contender.Readings.Select(r => r.FirstAnswerMs));
            var cpu = new Spread(contender.Readings.Select(r => r.CpuMs));
            var ready = new Spread(contender.Readings.Select(r => r.ReadyMs).OfType<double>());
            var resident = new Spread(contender.Readings.Select(r => r.ResidentMiB));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {contender.Name} | {first.Show()} | {first.Median / floor:0.00} | {cpu.Show()} | {ready.Show()} | {resident.Show("0.0")} | {Publication.SizeMiB(contender.Folder):0.0} |"));
        }
    }
}
