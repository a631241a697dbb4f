using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;

namespace Prewarm.Sandbox.Story;

/// <summary>The tutorial, played by Prewarm, and what it promises beyond: each step checks what it says.</summary>
internal sealed class TutorialStory(SandboxSystem system, StoryScreen screen, StoryReport report, SandboxOptions options)
{
    private const string Ns = TutorialObjects.Namespace;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);
    private readonly TimeProvider _time = TimeProvider.System;
    private readonly ObjectTally _tally = new(system.Api, Ns);
    private readonly Predictions _predictions = new(system.Functions.Relay, TutorialObjects.ModelName, Killed(options));
    private readonly string _models = Path.Combine(system.Root, "models");
    private readonly Dictionary<string, long> _bytes = [];
    private string _v1 = "", _v2 = "";
    private bool _broken;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var tally = _tally.RunAsync(stop.Token);
        screen.Title("The tutorial");
        var began = _time.GetTimestamp();
        await StepAsync("two versions of a language model are trained", TrainAsync, cancellationToken);
        await StepAsync("a CachedModel is applied", ApplyAsync, cancellationToken);
        var uploaded = _time.GetTimestamp();
        await StepAsync("v1 is uploaded: the index first, the tokenizer last", ct => UploadAsync("v1", IndexFirst, ct), cancellationToken);
        await StepAsync("one DataLoad brings it to the cache workers", ct => WarmAsync("v1", ct), cancellationToken);
        await StepAsync("the InferenceService becomes Ready", ct => ServesAsync("v1", ct), cancellationToken);
        report.Timings["v1: upload complete → serving"] = _time.GetElapsedTime(uploaded).TotalSeconds;
        await StepAsync("it scales to zero", ZeroAsync, cancellationToken);
        await StepAsync("a prediction wakes it from the warm cache", WarmStartAsync, cancellationToken);
        await StepAsync("it scales to zero again", ZeroAsync, cancellationToken);
        await StepAsync("with the cache folders deleted, the next start is cold", ColdStartAsync, cancellationToken);
        await StepAsync("v2 is uploaded in random order, proves itself and takes over", TakeoverAsync, cancellationToken);
        await StepAsync("v3 with a corrupt shard takes no traffic", ct => RefusedAsync("v3", "a corrupt shard", ct), cancellationToken);
        await StepAsync("v4 with a failing golden prediction takes no traffic", ct => RefusedAsync("v4", "a wrong golden answer", ct), cancellationToken);
        await StepAsync("one DataLoad was made for each version", OneLoadAsync, cancellationToken);
        await StepAsync("the CachedModel is deleted and nothing is left", DeleteAsync, cancellationToken);
        if (system.DeadLetters is not null)
        {
            await StepAsync("no event was given up", _ => DeployedChecks.NothingGivenUpAsync(system), cancellationToken);
            await StepAsync("no role was refused anything", _ => DeployedChecks.NothingRefusedAsync(system), cancellationToken);
        }

        report.Timings["the whole story"] = _time.GetElapsedTime(began).TotalSeconds;
        foreach (var obj in _tally.Objects)
        {
            report.Objects.Add(obj);
        }

        report.Restarts = system.Functions.Restarts;
        await stop.CancelAsync();
        await tally.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _predictions.Dispose();
    }

    /// <summary>Plays one step; after a failed one the rest is only named, because nothing they say would hold.</summary>
    private async Task StepAsync(string name, Func<CancellationToken, Task<string>> play, CancellationToken cancellationToken)
    {
        var began = _time.GetTimestamp();
        if (_broken)
        {
            report.Steps.Add(new(name, false, 0, "not played: an earlier step failed"));
            return;
        }

        try
        {
            var detail = await play(cancellationToken);
            var step = new StoryStep(name, true, _time.GetElapsedTime(began).TotalSeconds, detail);
            report.Steps.Add(step);
            screen.Passed(step);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            _broken = true;
            var step = new StoryStep(name, false, _time.GetElapsedTime(began).TotalSeconds, e.Message);
            report.Steps.Add(step);
            screen.Failed(step);
        }
    }

    private async Task<string> TrainAsync(CancellationToken cancellationToken)
    {
        _v1 = await TutorialModel.TrainAsync("v1", Folder("v1"), cancellationToken);
        _v2 = await TutorialModel.TrainAsync("v2", Folder("v2"), cancellationToken);
        TutorialModel.Copy(Folder("v2"), Folder("v3"));
        TutorialModel.CorruptShard(Folder("v3"));
        await TutorialModel.TrainAsync("v1", Folder("v4"), cancellationToken);
        TutorialModel.WriteGolden(Folder("v4"), "It was a bright and sunny morning");
        return $"{TutorialModel.Shards(Folder("v1")).Length} shards, {ByteSize.Format(TutorialModel.Files(Folder("v1")).Sum(f => f.Length))} each";
    }

    private async Task<string> ApplyAsync(CancellationToken cancellationToken)
    {
        await TutorialObjects.ApplyAsync(system, cancellationToken);
        await UntilAsync(async () => (await ModelAsync(cancellationToken)).Text("status", "phase") is not null, "the CachedModel has no status", cancellationToken);
        return $"{Ns}/{TutorialObjects.Name} of oss://{system.Bucket}/{TutorialObjects.Prefix}";
    }

    private static IEnumerable<FileInfo> IndexFirst(FileInfo[] files) =>
        files.OrderBy(f => f.Name.EndsWith(".index.json", StringComparison.Ordinal) ? 0 : f.Name.StartsWith("tokenizer", StringComparison.Ordinal) ? 2 : 1);

    private async Task<string> UploadAsync(string version, Func<FileInfo[], IEnumerable<FileInfo>> order, CancellationToken cancellationToken)
    {
        using var upload = new ModelUpload(system.Store, system.Bucket);
        var files = TutorialModel.Files(Folder(version));
        _bytes[version] = await upload.RunAsync($"{TutorialObjects.Prefix}/{version}", order(files), cancellationToken);
        return $"{files.Length} objects, {ByteSize.Format(_bytes[version])}";
    }

    private async Task<string> WarmAsync(string version, CancellationToken cancellationToken)
    {
        JsonObject? status = null;
        await UntilAsync(async () => (status = await VersionAsync(version, cancellationToken)).Text("dataLoad") is not null, $"{version} got no DataLoad", cancellationToken);
        var (load, dataset) = (status.Text("dataLoad")!, status.Text("dataset")!);
        var before = _time.GetTimestamp();
        await screen.ProgressAsync($"   prefetch {dataset}", async () =>
        {
            if (_time.GetElapsedTime(before) > s_limit)
            {
                throw new TimeoutException($"DataLoad {load} did not end");
            }

            var phase = (await system.Api.GetAsync(Kinds.DataLoads, Ns, load, cancellationToken)).Text("status", "phase");
            var cached = ByteSize.Parse((await system.Api.GetAsync(Kinds.Datasets, Ns, dataset, cancellationToken)).Text("status", "cacheStates", "cached")) ?? 0;
            return phase is "Failed" ? throw new InvalidOperationException($"DataLoad {load} failed")
                : phase == "Complete" ? 1 : Math.Min(0.99, cached / (2.0 * _bytes[version]));
        }, cancellationToken);
        return _tally.Loads(version) == 1 ? $"DataLoad {load}" : throw new InvalidOperationException($"{_tally.Loads(version)} DataLoads for {version}");
    }

    private async Task<string> ServesAsync(string version, CancellationToken cancellationToken)
    {
        JsonObject? model = null;
        await UntilAsync(async () =>
        {
            model = await ModelAsync(cancellationToken);
            return model.Text("status", "version") == version && Condition(model, "Ready") == "True";
        }, $"{version} does not serve", cancellationToken);
        return $"{model.Text("status", "url")}, revision {(await VersionAsync(version, cancellationToken)).Text("revision")}";
    }

    private async Task<string> ZeroAsync(CancellationToken cancellationToken)
    {
        await UntilAsync(async () => (await system.Api.ListAsync(Kinds.Pods, Ns, "serving.knative.dev/revision", cancellationToken)).Items.Count == 0, "pods are left", cancellationToken);
        return "no pods";
    }

    private async Task<string> WarmStartAsync(CancellationToken cancellationToken)
    {
        var restarts = system.Functions.Restarts;
        var (seconds, bytes, start) = await StartAsync(cancellationToken);
        (report.Timings["start from the warm cache: first answer"], report.WarmBytes) = (seconds, bytes);
        report.Timings["start from the warm cache: weights"] = start.Load;
        // Functions that start anew, after a kill or from zero, read the upload's small documents again, beside the pod, which reads nothing.
        var documents = Killed(options) || options.Deploy is not null
            ? TutorialModel.Files(Folder("v1")).Where(f => f.Name.EndsWith(".index.json", StringComparison.Ordinal) || f.Name == "golden.jsonl").Sum(f => f.Length) * (1 + system.Functions.Restarts - restarts)
            : 0;
        return bytes <= documents ? $"{bytes} bytes from the store; \"{_v1[..60]}…\"" : throw new InvalidOperationException($"the start read {bytes} bytes from the store");
    }

    private async Task<string> ColdStartAsync(CancellationToken cancellationToken)
    {
        var dataset = (await VersionAsync("v1", cancellationToken)).Text("dataset")!;
        foreach (var node in system.Cluster.Nodes.Nodes)
        {
            system.Cluster.Nodes.Clear(node, Ns, dataset);
        }

        var (seconds, bytes, start) = await StartAsync(cancellationToken);
        (report.Timings["start from remote: first answer"], report.ColdBytes) = (seconds, bytes);
        report.Timings["start from remote: weights"] = start.Load;
        var needed = TutorialModel.Files(Folder("v1")).Where(f => f.Name != "golden.jsonl").Sum(f => f.Length);
        var warm = report.Timings["start from the warm cache: weights"];
        return bytes < needed ? throw new InvalidOperationException($"only {bytes} of {needed} bytes came from the store")
            : start.Load <= warm && options.RemoteMbps > 0 ? throw new InvalidOperationException($"loading took {start.Load} s from remote and {warm} s from the cache")
            : $"{bytes.ToString("N0", CultureInfo.InvariantCulture)} bytes from the store";
    }

    /// <summary>Wakes the model by one prediction.</summary>
    private async Task<(double Seconds, long Bytes, Knative.PodStart Start)> StartAsync(CancellationToken cancellationToken)
    {
        var starts = system.Cluster.Kubelet.Starts.Count;
        var bytes = system.Store.BytesReadUnder(system.Bucket, TutorialObjects.Prefix);
        var (status, text, seconds) = await _predictions.AskAsync(cancellationToken);
        if (status != 200 || text != _v1)
        {
            throw new InvalidOperationException($"the prediction answered {status}: {text}");
        }

        return (seconds, system.Store.BytesReadUnder(system.Bucket, TutorialObjects.Prefix) - bytes, system.Cluster.Kubelet.Starts.ElementAt(starts));
    }

    private async Task<string> TakeoverAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var traffic = _predictions.KeepAskingAsync(stop.Token);
        var began = _time.GetTimestamp();
        await UploadAsync("v2", files => [.. files.OrderBy(_ => Guid.NewGuid())], cancellationToken);
        await ServesAsync("v2", cancellationToken);
        report.Timings["v2: upload begins → all traffic"] = _time.GetElapsedTime(began).TotalSeconds;
        var (status, text, _) = await _predictions.AskAsync(cancellationToken);
        await stop.CancelAsync();
        var (asked, failures, answers) = await traffic;
        return status != 200 || text != _v2 ? throw new InvalidOperationException($"after the takeover the prediction answered {status}: {text}")
            : failures.Count > 0 ? throw new InvalidOperationException($"{failures.Count} of {asked} predictions failed: {failures[0]}")
            : !answers.IsSubsetOf([_v1, _v2]) ? throw new InvalidOperationException("a prediction was neither v1's nor v2's")
            : !(_v2.Contains("airship", StringComparison.Ordinal) && !_v1.Contains("airship", StringComparison.Ordinal)) ? throw new InvalidOperationException("v2's answer has no word that only v2 knows")
            : $"{asked} predictions on the way, 0 failed; \"{_v2[..60]}…\"";
    }

    private async Task<string> RefusedAsync(string version, string why, CancellationToken cancellationToken)
    {
        await UploadAsync(version, files => files, cancellationToken);
        JsonObject? status = null;
        await UntilAsync(async () => (status = await VersionAsync(version, cancellationToken)).Text("state") == "Refused", $"{version} with {why} was not refused", cancellationToken);
        var (code, text, _) = await _predictions.AskAsync(cancellationToken);
        var serving = (await ModelAsync(cancellationToken)).Text("status", "version");
        return code == 200 && text == _v2 && serving == "v2" ? status.Text("message") ?? ""
            : throw new InvalidOperationException($"{serving} serves, and the prediction answered {code}: {text}");
    }

    private Task<string> OneLoadAsync(CancellationToken cancellationToken)
    {
        var counts = new[] { "v1", "v2", "v3", "v4" }.Select(v => (Version: v, Loads: _tally.Loads(v))).ToArray();
        return Array.TrueForAll(counts, c => c.Loads == 1)
            ? Task.FromResult(string.Join(", ", counts.Select(c => $"{c.Version}: {c.Loads}")))
            : throw new InvalidOperationException(string.Join(", ", counts.Select(c => $"{c.Version}: {c.Loads}")));
    }

    private async Task<string> DeleteAsync(CancellationToken cancellationToken)
    {
        await system.Api.DeleteAsync(Kinds.CachedModels, Ns, TutorialObjects.Name, null, false, cancellationToken);
        List<string> left = [];
        await UntilAsync(async () =>
        {
            left = await _tally.LeftAsync(cancellationToken);
            if (await system.Api.GetAsync(Kinds.CachedModels, Ns, TutorialObjects.Name, cancellationToken) is not null)
            {
                left.Insert(0, "the CachedModel");
            }

            return left.Count == 0;
        }, () => $"left: {string.Join(", ", left)}", cancellationToken);
        return await system.Api.GetAsync(Kinds.Secrets, Ns, "access-key", cancellationToken) is null
            ? throw new InvalidOperationException("the Secret, which is not ours, is gone")
            : "and the Secret, which is not ours, is still there";
    }

    private static bool Killed(SandboxOptions options) => options.Faults.Any(f => f.StartsWith("functions-kill", StringComparison.Ordinal));

    private string Folder(string version) => Path.Combine(_models, version);

    private Task<JsonObject?> ModelAsync(CancellationToken cancellationToken) => system.Api.GetAsync(Kinds.CachedModels, Ns, TutorialObjects.Name, cancellationToken);

    private async Task<JsonObject?> VersionAsync(string version, CancellationToken cancellationToken) =>
        (await ModelAsync(cancellationToken)).At("status", "versions").Objects().LastOrDefault(v => v.Text("name") == version);

    private static string? Condition(JsonObject? model, string type) => model.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == type).Text("status");

    private Task UntilAsync(Func<Task<bool>> done, string otherwise, CancellationToken cancellationToken) => UntilAsync(done, () => otherwise, cancellationToken);

    private async Task UntilAsync(Func<Task<bool>> done, Func<string> otherwise, CancellationToken cancellationToken)
    {
        var began = _time.GetTimestamp();
        while (!await done())
        {
            if (_time.GetElapsedTime(began) > s_limit)
            {
                var waiting = (await ModelAsync(cancellationToken)).At("status", "conditions").Objects().Select(c => $"{c.Text("type")} {c.Text("status")} {c.Text("reason")}: {c.Text("message")}");
                throw new TimeoutException($"{otherwise()} after {s_limit.TotalSeconds} s [{string.Join("; ", waiting)}]");
            }

            await Task.Delay(s_poll, _time, cancellationToken);
        }
    }
}
