using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>List and watch as the functions do it, against the sandbox's API server, and in <c>.ci/run</c> against a real one.</summary>
public sealed class ReflectorOnServerTests : IAsyncLifetime
{
    private readonly ApiWorld _world = new();

    private KubeApi Api => _world.Api;

    public ValueTask InitializeAsync() => _world.OnAnyAsync(new() { BookmarkInterval = TimeSpan.FromMilliseconds(100) });

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Reflector_LiveChanges_AreSeenInOrder()
    {
        await Create("a");
        var deltas = Follow(null);
        Assert.Equal(["a"], Assert.IsType<Delta<JsonObject>.Replace>(await Next(deltas)).Items.Select(i => i.Name()));
        await Create("b");
        await Patch("b", "one");
        Assert.True(await Api.DeleteAsync(Kinds.Datasets, _world.Namespace, "a", null, false, _world.Deadline));
        Assert.Equal("b", Assert.IsType<Delta<JsonObject>.Upsert>(await Next(deltas)).Name);
        Assert.Equal("one", Assert.IsType<Delta<JsonObject>.Upsert>(await Next(deltas)).Object.Text("metadata", "labels", "x"));
        Assert.Equal("a", Assert.IsType<Delta<JsonObject>.Remove>(await Next(deltas)).Name);
        await deltas.DisposeAsync();
    }

    [Fact]
    public async Task Watch_FromAnOldVersion_BringsWhatCameSince()
    {
        await Create("a");
        var version = (await Api.ListAsync(Kinds.Datasets, _world.Namespace, null, _world.Deadline)).ResourceVersion;
        await Patch("a", "one");
        await Patch("a", "two");
        await Create("b");
        var seen = new List<string>();
        await foreach (var e in Api.WatchAsync(Kinds.Datasets, _world.Namespace, null, version, _world.Deadline))
        {
            seen.Add($"{e.Type} {e.Name} {e.Object.Text("metadata", "labels", "x")}");
            if (seen.Count == 3)
            {
                break;
            }
        }

        Assert.Equal(["Modified a one", "Modified a two", "Added b "], seen);
    }

    [Fact]
    public async Task Watch_Idle_BookmarksCarryTheVersionOn()
    {
        _world.OnlyOnTheSandbox("a real server's bookmarks come once a minute");
        await Create("a");
        var version = (await Api.ListAsync(Kinds.Datasets, _world.Namespace, null, _world.Deadline)).ResourceVersion;
        await Api.CreateAsync(Kinds.Secrets, _world.Namespace, new() { ["metadata"] = new JsonObject { ["name"] = "elsewhere" } }, _world.Deadline);
        await foreach (var e in Api.WatchAsync(Kinds.Datasets, _world.Namespace, null, version, _world.Deadline))
        {
            Assert.Equal(WatchEventType.Bookmark, e.Type);
            Assert.True(long.Parse(e.ResourceVersion) > long.Parse(version));
            break;
        }
    }

    [Fact]
    public async Task Watch_FromBeforeACompaction_IsGone_ALiveOneGoesOn()
    {
        _world.OnlyOnTheSandbox("a real server compacts every 5 minutes");
        await Create("a");
        var version = (await Api.ListAsync(Kinds.Datasets, _world.Namespace, null, _world.Deadline)).ResourceVersion;
        await using var live = Api.WatchAsync(Kinds.Datasets, _world.Namespace, null, version, _world.Deadline).GetAsyncEnumerator(_world.Deadline);
        await Patch("a", "one");
        Assert.True(await live.MoveNextAsync());
        _world.Server.Store.Compact();
        await Patch("a", "two");
        Assert.True(await live.MoveNextAsync());
        Assert.Equal("two", live.Current.Object.Text("metadata", "labels", "x"));

        var e = await Assert.ThrowsAsync<KubeApiException>(async () =>
        {
            await foreach (var _ in Api.WatchAsync(Kinds.Datasets, _world.Namespace, null, version, _world.Deadline))
            {
            }
        });
        Assert.Equal((HttpStatusCode.Gone, "Expired"), (e.StatusCode, e.Reason));
    }

    [Fact]
    public async Task Watch_BySelector_LeavingIsDeletedEnteringIsAdded()
    {
        await Create("a");
        var version = (await Api.ListAsync(Kinds.Datasets, _world.Namespace, "x=in", _world.Deadline)).ResourceVersion;
        await Patch("a", "in");
        await Patch("a", "in", "more");
        await Patch("a", "out");
        await Patch("a", "still-out");
        await Patch("a", "in");
        var seen = new List<WatchEventType>();
        await foreach (var e in Api.WatchAsync(Kinds.Datasets, _world.Namespace, "x=in", version, _world.Deadline))
        {
            if (e.Type != WatchEventType.Bookmark)
            {
                seen.Add(e.Type);
            }

            if (seen.Count == 4)
            {
                break;
            }
        }

        Assert.Equal([WatchEventType.Added, WatchEventType.Modified, WatchEventType.Deleted, WatchEventType.Added], seen);
    }

    [Fact]
    public async Task Watch_NothingHappens_HeadersComeAtOnceAndItEndsAsAgreed()
    {
        await using var world = new ApiWorld();
        await world.StartAsync(new() { BookmarkInterval = TimeSpan.FromHours(1) });
        using var http = world.Server.CreateClient();
        using var answer = await http.GetAsync(new Uri("/apis/data.fluid.io/v1alpha1/datasets?watch=1&resourceVersion=1&timeoutSeconds=1", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, world.Deadline);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("", await answer.Content.ReadAsStringAsync(world.Deadline));
    }

    [Fact]
    public async Task Watches_ThirtyOverThousandsOfEvents_AllSeeAllInOrder()
    {
        const int Watches = 30, Events = 1000;
        await Create("a");
        var version = (await Api.ListAsync(Kinds.Datasets, _world.Namespace, null, _world.Deadline)).ResourceVersion;
        var watching = Enumerable.Range(0, Watches).Select(async _ =>
        {
            var last = -1;
            await foreach (var e in Api.WatchAsync(Kinds.Datasets, _world.Namespace, null, version, _world.Deadline))
            {
                if (e.Type == WatchEventType.Bookmark)
                {
                    continue;
                }

                var number = int.Parse(e.Object.Text("metadata", "labels", "x")!);
                Assert.Equal(last + 1, number);
                last = number;
                if (number == Events - 1)
                {
                    return;
                }
            }
        }).ToArray();
        for (var i = 0; i < Events; i++)
        {
            await Patch("a", i.ToString());
        }

        await Task.WhenAll(watching);
    }

    [Fact]
    public async Task Watches_ThirtyIdle_CostAlmostNothing()
    {
        _world.OnlyOnTheSandbox("a real server's bookmarks come once a minute");
        var version = (await Api.ListAsync(Kinds.Datasets, _world.Namespace, null, _world.Deadline)).ResourceVersion;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_world.Deadline);
        var threads = ThreadPool.ThreadCount;
        var bookmarks = new int[30];
        var watching = Enumerable.Range(0, 30).Select(async i =>
        {
            await foreach (var _ in Api.WatchAsync(Kinds.Datasets, _world.Namespace, null, version, stop.Token))
            {
                Interlocked.Increment(ref bookmarks[i]);
            }
        }).ToArray();
        await _world.UntilAsync(() => bookmarks.All(b => b > 0));
        Assert.True(ThreadPool.ThreadCount < threads + 30, "a watch holds a thread");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(watching));
    }

    // Measures; of no use while other tests run beside it.
    [Fact(Explicit = true)]
    public async Task Watches_ThirtyIdleForTenSeconds_ProcessorTime()
    {
        await using var world = new ApiWorld();
        await world.StartAsync();
        var version = (await world.Api.ListAsync(Kinds.Datasets, _world.Namespace, null, world.Deadline)).ResourceVersion;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(world.Deadline);
        var watching = Enumerable.Range(0, 30).Select(async _ =>
        {
            await foreach (var e in world.Api.WatchAsync(Kinds.Datasets, _world.Namespace, null, version, stop.Token))
            {
                Assert.Equal(WatchEventType.Bookmark, e.Type);
            }
        }).ToArray();
        // Two rounds of bookmarks, so that nothing is compiled any more.
        await Task.Delay(TimeSpan.FromSeconds(25), TimeProvider.System, world.Deadline);
        var before = Process.GetCurrentProcess().TotalProcessorTime;
        await Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System, world.Deadline);
        var used = (Process.GetCurrentProcess().TotalProcessorTime - before).TotalSeconds / 10;
        TestContext.Current.TestOutputHelper!.WriteLine($"{used:P2} of one processor, client and server together");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(watching));
        Assert.True(used < 0.02, $"{used:P2}");
    }

    private IAsyncEnumerator<Delta<JsonObject>> Follow(string? selector) =>
        new Reflector<JsonObject>(Api, Kinds.Datasets, _world.Namespace, selector, TimeProvider.System, new Random(1)).RunAsync(_world.Deadline).GetAsyncEnumerator(_world.Deadline);

    private static async Task<Delta<JsonObject>> Next(IAsyncEnumerator<Delta<JsonObject>> deltas)
    {
        Assert.True(await deltas.MoveNextAsync());
        return deltas.Current;
    }

    private Task Create(string name) => Api.CreateAsync(Kinds.Datasets, _world.Namespace, _world.Dataset(name), _world.Deadline);

    private Task Patch(string name, string x, string y = "") =>
        Api.MergePatchAsync(Kinds.Datasets, _world.Namespace, name, new JsonObject { ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["x"] = x, ["y"] = y } } }.ToJsonString(), null, _world.Deadline);
}
