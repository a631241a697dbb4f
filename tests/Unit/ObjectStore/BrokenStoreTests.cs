using System.Net;
using System.Net.Sockets;
using System.Text;
using Amazon.Runtime;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.ObjectStore;

/// <summary>
/// A store that is slow, silent or breaks off: the time limits hold, what may be asked again is asked again (3 times in all), and the failure names the endpoint,
/// what was being done, and why it failed. On the sandbox's store and on any other.
/// </summary>
public sealed class BrokenStoreTests : IAsyncLifetime
{
    private const string Index = """{"weight_map":{"a":"s1.safetensors"}}""";
    private static readonly TimeSpan s_silence = TimeSpan.FromMilliseconds(700);

    /// <summary>Requests of one listing here: open uploads, objects, the index.</summary>
    private const int Listing = 3;

    private readonly StoreWorld _world = new();
    private FaultyLink _link = null!;
    private S3UploadSource _source = null!;

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        _link = new(_world.Endpoint);
        _source = Source(TimeSpan.FromSeconds(20));
        await _world.PutAsync("m/v1/x.index.json", Index);
        await _world.PutAsync("m/v1/s1.safetensors");
    }

    public async ValueTask DisposeAsync()
    {
        await _link.DisposeAsync();
        await _world.DisposeAsync();
    }

    [Fact]
    public async Task Link_Sound_OneListingIsThreeRequests()
    {
        Assert.True(Assert.Single((await ObserveAsync()).Versions).Complete);
        Assert.Equal(Listing, _link.Requests);
    }

    public static TheoryData<string, int> Breaks
    {
        get
        {
            var all = new TheoryData<string, int>();
            foreach (var kind in (string[])["Stall", "Reset", "Close"])
            {
                all.Add(kind, -1);
                all.Add(kind, 0);
                all.Add(kind, 20);
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Answer_BreaksOffTwice_IsAskedForAgainAndAllIsWell(string kind, int after)
    {
        // The third request of a sound listing is the index; here the open uploads break off first, then the objects, then the index.
        var fault = new LinkFault(Enum.Parse<Ending>(kind), after);
        _link.Fault = n => n is 1 or 2 or 4 or 6 or 7 ? fault : LinkFault.None;
        var seen = await ObserveAsync();
        Assert.Null(seen.Failure);
        Assert.True(Assert.Single(seen.Versions).Complete);
        Assert.Equal(Listing + 5, _link.Requests);
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Answer_BreaksOffEachTime_EndsInTimeAndSaysWhereAndWhy(string kind, int after)
    {
        _link.Fault = _ => new(Enum.Parse<Ending>(kind), after);
        var began = TimeProvider.System.GetTimestamp();
        var failure = (await ObserveAsync()).Failure!;
        var took = TimeProvider.System.GetElapsedTime(began);
        // Where no answer has begun, .NET opens three more connections for each try.
        Assert.Equal(("StoreUnreachable", true, kind != "Stall" && after < 0 ? 12 : 3), (failure.Reason, failure.Transient, _link.Requests));
        Assert.True(took < (s_silence * 3) + TimeSpan.FromSeconds(5), $"{took}");
        AssertNames(failure.Message, "listing the open multipart uploads", kind == "Stall" ? "sent nothing for 0.7 s" : "");

        // Whoever asks next is not held up by it.
        _link.Fault = _ => LinkFault.None;
        Assert.Null((await ObserveAsync()).Failure);
    }

    [Fact]
    public async Task Endpoint_NobodyListens_SaidAtOnce()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var free = new Uri($"http://{listener.LocalEndpoint}");
        listener.Stop();
        var failure = (await _world.ObserveAsync(_world.Source(free, Options(TimeSpan.FromSeconds(20))), _world.Model("m"))).Failure!;
        Assert.Equal(("StoreUnreachable", true), (failure.Reason, failure.Transient));
        Assert.All((string[])[free.Authority, "listing the open multipart uploads", "refused"], part => Assert.Contains(part, failure.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Endpoint_NoSuchName_SaidAtOnce()
    {
        var failure = (await _world.ObserveAsync(_world.Source(new("http://no-such-store.invalid:9000"), Options(TimeSpan.FromSeconds(20))), _world.Model("m"))).Failure!;
        Assert.Equal(("StoreUnreachable", true), (failure.Reason, failure.Transient));
        Assert.Contains("no-such-store.invalid:9000", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("503 Slow Down", "SlowDown", 3)]
    [InlineData("500 Internal Server Error", "InternalError", 3)]
    [InlineData("409 Conflict", "OperationAborted", 1)]
    public async Task Answer_AnError_AgainOnlyWhenTheServerIsToBlame(string status, string code, int asked)
    {
        var body = $"<Error><Code>{code}</Code><Message>not now</Message></Error>";
        _link.Fault = _ => new(Ending.None, Answer: $"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}");
        var failure = (await ObserveAsync()).Failure!;
        Assert.Equal((asked == 3 ? "StoreUnreachable" : "StoreRefused", asked == 3, asked), (failure.Reason, failure.Transient, _link.Requests));
        AssertNames(failure.Message, code, "not now");

        var once = _link.Requests;
        _link.Fault = n => n == once + 1 && asked == 3 ? new(Ending.None, Answer: $"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") : LinkFault.None;
        Assert.Null((await ObserveAsync()).Failure);
    }

    [Fact]
    public async Task Answer_IsNoXml_SaidAsTheStoresFailure()
    {
        _link.Fault = _ => new(Ending.None, Answer: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 21\r\nConnection: close\r\n\r\n<html>log in</html>\r\n");
        var failure = (await ObserveAsync()).Failure!;
        Assert.Equal("StoreUnreachable", failure.Reason);
        AssertNames(failure.Message, "listing the open multipart uploads");
    }

    [Fact]
    public async Task Answer_Slow_ButNeverSilent_IsTaken()
    {
        // 40 keys and the index at 2 kB/s: longer than the silence that is borne, and never silent.
        await _world.PutManyAsync(Enumerable.Range(0, 40).Select(i => $"m/v1/{i}.bin"));
        _link.Fault = _ => new(Ending.None, BytesPerTenth: 2000);
        var seen = await ObserveAsync();
        Assert.Null(seen.Failure);
        Assert.Equal((42, Listing), (Assert.Single(seen.Versions).Files, _link.Requests));
    }

    [Fact]
    public async Task Answer_SlowerThanTheListingMayTake_EndsInTime()
    {
        _source = Source(TimeSpan.FromSeconds(2));
        _link.Fault = _ => new(Ending.None, BytesPerTenth: 2);
        var began = TimeProvider.System.GetTimestamp();
        var failure = (await ObserveAsync()).Failure!;
        Assert.Equal(("StoreUnreachable", true), (failure.Reason, failure.Transient));
        AssertNames(failure.Message, "in time");
        Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(12));
    }

    [Theory]
    [InlineData("Stall")]
    [InlineData("Reset")]
    public async Task Golden_BreaksOffEachTime_IsThrownAsPassing(string kind)
    {
        _link.Fault = _ => new(Enum.Parse<Ending>(kind), 5);
        var error = await Assert.ThrowsAsync<IOException>(() => _source.ReadAsync(_world.Model("m"), "m/v1/x.index.json", 100, _world.AccessKey, _world.SecretKey, _world.Deadline));
        AssertNames(error.Message, "reading m/v1/x.index.json");
        _link.Fault = _ => LinkFault.None;
        Assert.Equal(Index, Encoding.UTF8.GetString((await _source.ReadAsync(_world.Model("m"), "m/v1/x.index.json", 100, _world.AccessKey, _world.SecretKey, _world.Deadline))!));
    }

    [Fact]
    public async Task ETag_HexButNoMd5_TheLineReadsTheObject_WhereThePlainCallFails()
    {
        // OSS gives such ETags to what PostObject and AppendObject wrote, and under SSE-KMS.
        _link.Head = h => System.Text.RegularExpressions.Regex.Replace(h, "(?<=ETag: \")[0-9a-f]{32}", "0123456789abcdef0123456789abcdef",
            System.Text.RegularExpressions.RegexOptions.IgnoreCase, TimeSpan.FromSeconds(1));
        using var plain = _world.Client(_link.Endpoint);
        using var got = await plain.GetObjectAsync(_world.Bucket, "m/v1/x.index.json", _world.Deadline);
        await Assert.ThrowsAnyAsync<AmazonClientException>(() => got.ResponseStream.CopyToAsync(Stream.Null, _world.Deadline));
        var read = await _source.ReadAsync(_world.Model("m"), "m/v1/x.index.json", 100, _world.AccessKey, _world.SecretKey, _world.Deadline);
        Assert.Equal(Index, Encoding.UTF8.GetString(read!));
    }

    private S3UploadSource Source(TimeSpan listing) => _world.Source(_link.Endpoint, Options(listing));

    private static ObjectStoreOptions Options(TimeSpan listing) => new() { Silence = s_silence, ListingLimit = listing };

    private Task<UploadObservation> ObserveAsync() => _world.ObserveAsync(_source, _world.Model("m"));

    private void AssertNames(string message, params string[] parts) =>
        Assert.All([_link.Endpoint.Authority, $"oss://{_world.Bucket}/m", .. parts], part => Assert.True(message.Contains(part, StringComparison.Ordinal), $"{part} is not in: {message}"));
}
