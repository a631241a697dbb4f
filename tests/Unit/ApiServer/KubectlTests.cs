using System.Diagnostics;
using Prewarm.Sandbox.ApiServer;
using Xunit;
using Server = Prewarm.Sandbox.ApiServer.ApiServer;

namespace Prewarm.Tests.Unit.ApiServer;

public sealed class KubectlTests
{
    private const string Manifest = """
        apiVersion: prewarm.dev/v1alpha1
        kind: CachedModel
        metadata: { name: bloom, namespace: default }
        spec: { source: { uri: oss://b/m, endpoint: e }, serving: { modelName: bloom } }
        """;

    [Fact]
    public async Task Kubectl_WholeRound_Works()
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(p => Path.Combine(p, "kubectl")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, "kubectl is not on the PATH");
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(240));
        await using var server = await Server.StartAsync(new(), deadline.Token);
        var home = Directory.CreateTempSubdirectory("kubectl");
        try
        {
            var config = server.WriteKubeconfig(Path.Combine(home.FullName, "config"));
            var file = Path.Combine(home.FullName, "model.yaml");
            await File.WriteAllTextAsync(file, Manifest, deadline.Token);
            var editor = Path.Combine(home.FullName, "editor.sh");
            async Task<string> RunAsync(string arguments, int code = 0)
            {
                var start = new ProcessStartInfo(path!, $"--kubeconfig {config} --cache-dir {home.FullName}/cache {arguments}") { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
                start.Environment["KUBE_EDITOR"] = $"sh {editor}";
                using var process = Process.Start(start)!;
                var (output, error) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
                await process.WaitForExitAsync(deadline.Token);
                Assert.True(process.ExitCode == code, $"kubectl {arguments}: {await output}{await error}");
                return await output + (code == 0 ? "" : await error);
            }

            Assert.Contains("serverside-applied", await RunAsync($"apply --server-side -f {file}"), StringComparison.Ordinal);
            Assert.Contains("WARMTH", await RunAsync("get cm8l"), StringComparison.Ordinal);
            Assert.Contains("oss://b/m", await RunAsync("describe cm8l bloom"), StringComparison.Ordinal);
            Assert.Contains("condition met", await RunAsync("wait --timeout=20s --for=condition=Established crd/cachedmodels.prewarm.dev"), StringComparison.Ordinal);
            Assert.Contains("yes", await RunAsync("auth can-i create secrets"), StringComparison.Ordinal);
            Assert.Contains("KIND:       CachedModel", await RunAsync("explain cachedmodel.spec"), StringComparison.Ordinal);
            Assert.Contains("source\t<Object> -required-", await RunAsync("explain cachedmodel.spec"), StringComparison.Ordinal);

            // Client-side apply, with the server's validation: the second says nothing new.
            Assert.Contains("configured", await RunAsync($"apply -f {file}"), StringComparison.Ordinal);
            Assert.Contains("unchanged", await RunAsync($"apply -f {file}"), StringComparison.Ordinal);
            var typo = Path.Combine(home.FullName, "typo.yaml");
            await File.WriteAllTextAsync(typo, Manifest.Replace("modelName", "modelNaam", StringComparison.Ordinal), deadline.Token);
            Assert.Contains("unknown field \"spec.serving.modelNaam\"", await RunAsync($"apply -f {typo}", 1), StringComparison.Ordinal);

            // edit: a change, a change that is refused and put right in the second round, and none.
            await EditorAsync("modelName: bloom", "modelName: opt");
            Assert.Contains("edited", await RunAsync("edit cm8l bloom"), StringComparison.Ordinal);
            Assert.Equal("opt", await RunAsync("get cm8l bloom -o jsonpath={.spec.serving.modelName}"));
            await EditorAsync("replicas: 2", "copies: 9\\n    replicas: 2", then: "replicas: 2|replicas: 9");
            Assert.Contains("edited", await RunAsync("edit cm8l bloom"), StringComparison.Ordinal);
            Assert.Contains("no more copies than workers can exist", await File.ReadAllTextAsync(Path.Combine(home.FullName, "seen"), deadline.Token), StringComparison.Ordinal);
            Assert.Equal("9/9", await RunAsync("get cm8l bloom -o jsonpath={.spec.cache.copies}/{.spec.cache.replicas}"));
            await EditorAsync("nothing-of-the-kind", "x");
            Assert.DoesNotContain("edited", await RunAsync("edit cm8l bloom"), StringComparison.Ordinal);
            Assert.Contains("no more copies than workers can exist", await RunAsync("patch cm8l bloom --type=merge -p {\\\"spec\\\":{\\\"cache\\\":{\\\"copies\\\":10}}}", 1), StringComparison.Ordinal);

            // wait: for a condition, for a value, for an end; each begun before it comes.
            var ready = RunAsync("wait cm8l/bloom --for=condition=Ready --timeout=60s");
            var serving = RunAsync("wait cm8l/bloom --for=jsonpath={.status.phase}=Serving --timeout=60s");
            await RunAsync("patch cm8l bloom --subresource=status --type=merge -p {\\\"status\\\":{\\\"phase\\\":\\\"Serving\\\",\\\"conditions\\\":[{\\\"type\\\":\\\"Ready\\\",\\\"status\\\":\\\"True\\\"}]}}");
            Assert.Contains("condition met", await ready, StringComparison.Ordinal);
            Assert.Contains("condition met", await serving, StringComparison.Ordinal);
            Assert.Contains("timed out", await RunAsync("wait cm8l/bloom --for=condition=Invalid --timeout=1s", 1), StringComparison.Ordinal);
            await RunAsync("create configmap going");
            var gone = RunAsync("wait configmap/going --for=delete --timeout=60s");
            Assert.Contains("deleted", await RunAsync("delete configmap going"), StringComparison.Ordinal);
            await gone;

            // What kubectl sends as protobuf.
            await RunAsync("create namespace demo");
            await RunAsync("-n demo create secret generic access-key --from-literal=fs.oss.accessKeyId=id");
            Assert.Equal("aWQ=", await RunAsync("-n demo get secret access-key -o jsonpath={.data.fs\\.oss\\.accessKeyId}"));
            await RunAsync("-n demo create serviceaccount bob");
            await RunAsync("-n demo create role reader --verb=get,list --resource=secrets");
            Assert.Contains("no", await RunAsync("-n demo auth can-i list secrets --as=system:serviceaccount:demo:bob", 1), StringComparison.Ordinal);
            await RunAsync("-n demo create rolebinding reader --role=reader --serviceaccount=demo:bob");
            Assert.Contains("yes", await RunAsync("-n demo auth can-i list secrets --as=system:serviceaccount:demo:bob"), StringComparison.Ordinal);
            Assert.Contains("no", await RunAsync("-n demo auth can-i create secrets --as=system:serviceaccount:demo:bob", 1), StringComparison.Ordinal);
            Assert.Contains("no", await RunAsync("auth can-i get nodes --as=system:serviceaccount:demo:bob", 1), StringComparison.Ordinal);
            Assert.Contains("yes", await RunAsync("auth can-i '*' '*'"), StringComparison.Ordinal);
            Assert.StartsWith("sa.", await RunAsync("-n demo create token bob"), StringComparison.Ordinal);

            // describe shows the Events of the object and of no other.
            var uid = await RunAsync("get cm8l bloom -o jsonpath={.metadata.uid}");
            var events = Path.Combine(home.FullName, "events.yaml");
            await File.WriteAllTextAsync(events, Event("bloom", uid, "the marker is missing") + "\n---\n" + Event("other", "1", "not this one"), deadline.Token);
            await RunAsync($"create -f {events}");
            var described = await RunAsync("describe cm8l bloom");
            Assert.Contains("the marker is missing", described, StringComparison.Ordinal);
            Assert.DoesNotContain("not this one", described, StringComparison.Ordinal);

            await RunAsync("-n demo create configmap empty");
            Assert.Contains("deleted", await RunAsync("delete namespace demo --timeout=20s"), StringComparison.Ordinal);
            await RunAsync("get namespace demo", 1);
            var dataset = Path.Combine(home.FullName, "dataset.yaml");
            await File.WriteAllTextAsync(dataset, Fluid, deadline.Token);
            await RunAsync($"create -f {dataset}");
            var all = await RunAsync("get cachedmodels,dataset,jindoruntime,dataload,inferenceservice,ksvc,pods");
            foreach (var columns in (string[])["MODEL +VERSION +PHASE +CACHED +WARMTH +TRAFFIC +URL +AGE", "UFS TOTAL SIZE +CACHED +CACHE CAPACITY +CACHED PERCENTAGE +PHASE +AGE", "NAME +MASTER PHASE +WORKER PHASE +FUSE PHASE +AGE", "DATASET +PHASE +AGE +DURATION", "URL +READY +PREV +LATEST"])
            {
                Assert.Matches(columns, all);
            }

            Assert.Contains("deleted", await RunAsync("delete cm8l bloom --cascade=foreground --timeout=20s"), StringComparison.Ordinal);
        }
        finally
        {
            home.Delete(recursive: true);
        }

        // Replaces a text in what kubectl opens; when it opens it again, because the server refused, keeps what it saw and makes the other change.
        Task EditorAsync(string from, string to, string? then = null) => File.WriteAllTextAsync(Path.Combine(home.FullName, "editor.sh"), $"""
            if grep -q '^# .* was not valid' "$1"; then cp "$1" {home.FullName}/seen; sed -i 's|{then ?? "x|x"}|' "$1"
            else sed -i 's|{from}|{to}|' "$1"
            fi
            """, deadline.Token);
    }

    private static string Event(string model, string uid, string message) => $$"""
        apiVersion: v1
        kind: Event
        metadata: { name: {{model}}.1, namespace: default }
        involvedObject: { apiVersion: prewarm.dev/v1alpha1, kind: CachedModel, name: {{model}}, namespace: default, uid: "{{uid}}" }
        reason: Waiting
        message: {{message}}
        type: Normal
        source: { component: prewarm }
        firstTimestamp: "2026-11-24T07:00:00Z"
        lastTimestamp: "2026-11-24T07:00:00Z"
        count: 1
        """;

    private const string Fluid = """
        apiVersion: data.fluid.io/v1alpha1
        kind: Dataset
        metadata: { name: oss-data, namespace: default }
        spec: {}
        ---
        apiVersion: data.fluid.io/v1alpha1
        kind: JindoRuntime
        metadata: { name: oss-data, namespace: default }
        spec: {}
        ---
        apiVersion: data.fluid.io/v1alpha1
        kind: DataLoad
        metadata: { name: oss-dataload, namespace: default }
        spec: { dataset: { name: oss-data, namespace: default } }
        ---
        apiVersion: serving.kserve.io/v1beta1
        kind: InferenceService
        metadata: { name: fluid-bloom, namespace: default }
        spec: { predictor: {} }
        """;
}
