using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// One watch: a task that waits for the next change of its kind, holds no thread, and sends stored text as it is where nothing has to be selected.
/// </summary>
internal static class Watches
{
    public static async Task AnswerAsync(Call call, ObjectStore store, ApiServerOptions options, CancellationToken stopping)
    {
        var given = (string?)call.Query["resourceVersion"];
        var bookmarks = call.Flag("allowWatchBookmarks");
        var seconds = int.TryParse(call.Query["timeoutSeconds"], CultureInfo.InvariantCulture, out var s) && s > 0 ? s : 1800;
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(seconds), options.Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, call.Http.RequestAborted, stopping);
        var token = linked.Token;
        var sink = new Sink(call, options.Time);
        call.Http.Response.ContentType = "application/json";
        try
        {
            var from = Start(call, store, sink, given, out var listed);
            if (listed && call.Flag("sendInitialEvents"))
            {
                sink.Bookmark(from, initialEnd: true);
            }

            await sink.FlushAsync(token);
            for (var live = false; ; live = true)
            {
                var (changes, version, next) = store.After(from, call.Kind, live || listed);
                foreach (var change in changes)
                {
                    sink.Pass(change);
                }

                from = version;
                if (changes.Count > 0)
                {
                    await sink.FlushAsync(token);
                }

                try
                {
                    await next.WaitAsync(options.BookmarkInterval, options.Time, token);
                }
                catch (TimeoutException)
                {
                    if (bookmarks)
                    {
                        sink.Bookmark(from, initialEnd: false);
                        await sink.FlushAsync(token);
                    }
                }
            }
        }
        catch (ApiFailure expired) when (expired.Code == 410)
        {
            sink.Send("ERROR", JsonSerializer.SerializeToUtf8Bytes(expired.Status()));
            await sink.FlushAsync(token);
        }
        catch (OperationCanceledException) when (!call.Http.RequestAborted.IsCancellationRequested)
        {
            // The agreed end of a watch, or of the server: the answer just closes.
        }
    }

    private static long Start(Call call, ObjectStore store, Sink sink, string? given, out bool listed)
    {
        listed = string.IsNullOrEmpty(given) || given == "0" || call.Flag("sendInitialEvents");
        if (!listed)
        {
            return long.TryParse(given, CultureInfo.InvariantCulture, out var from) ? from : throw ApiFailure.BadRequest($"invalid resource version {given}");
        }

        var (now, version) = store.Snapshot(call.Kind, call.Namespace, sink.Selector);
        foreach (var obj in now)
        {
            sink.Send("ADDED", sink.Shown(obj));
        }

        return version;
    }

    private sealed class Sink(Call call, TimeProvider time)
    {
        private readonly PipeWriter _out = call.Http.Response.BodyWriter;
        private readonly bool _table = Table.Wanted(call.Http);
        private readonly string _include = Table.Include(call.Http);

        public Selector Selector { get; } = Lists.Selecting(call);

        // What enters the selection is ADDED, what leaves it DELETED, whatever happened to the object.
        public void Pass(Change change)
        {
            if (call.Namespace is not null && change.Namespace != call.Namespace)
            {
                return;
            }

            if (Selector.IsEmpty && !_table)
            {
                Send(change.Type, change.Object);
                return;
            }

            var obj = ObjectStore.Parse(change.Object);
            var was = change.Before is not null && (Selector.IsEmpty || Selector.Matches(ObjectStore.Parse(change.Before)));
            var matches = change.Type != "DELETED" && Selector.Matches(obj);
            if (was || matches)
            {
                Send(!was ? "ADDED" : matches ? "MODIFIED" : "DELETED", Shown(obj));
            }
        }

        public byte[] Shown(JsonObject obj) => JsonSerializer.SerializeToUtf8Bytes<JsonNode>(_table ? Table.Of(call.Kind, [obj], time.GetUtcNow(), _include) : obj);

        public void Bookmark(long version, bool initialEnd)
        {
            var meta = Lists.Meta(version);
            meta["creationTimestamp"] = null;
            if (initialEnd)
            {
                meta["annotations"] = new JsonObject { ["k8s.io/initial-events-end"] = "true" };
            }

            Send("BOOKMARK", JsonSerializer.SerializeToUtf8Bytes<JsonNode>(new JsonObject { ["kind"] = call.Kind.Name, ["apiVersion"] = call.Kind.ApiVersion, ["metadata"] = meta }));
        }

        public void Send(string type, byte[] json)
        {
            _out.Write(Encoding.ASCII.GetBytes($"{{\"type\":\"{type}\",\"object\":"));
            _out.Write(json);
            _out.Write("}\n"u8);
        }

        public async Task FlushAsync(CancellationToken token) => await _out.FlushAsync(token);
    }
}
