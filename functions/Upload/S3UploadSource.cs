using System.Collections.Concurrent;
using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Upload;

/// <summary>The object store over S3: one listing at a time of a prefix, and what it says about a model.</summary>
internal sealed class S3UploadSource(ObjectStoreOptions options, TimeProvider time) : IUploadSource, IDisposable
{
    private readonly ConcurrentDictionary<(StoreEndpoint, string?, string?), AmazonS3Client> _clients = new();
    private readonly ConcurrentDictionary<(StoreEndpoint, SourceLocation), ListingPace> _paces = new();
    private readonly ConcurrentDictionary<(StoreEndpoint, SourceLocation, string?, string?), ListingGate> _gates = new();
    private readonly ConcurrentDictionary<ModelKey, Judged> _judged = new();

    public async Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken)
    {
        var last = _judged.GetValueOrDefault(model.Key());
        if (!fresh && last is not null && last.Of(model) && time.GetUtcNow() - last.At < ListingPace.Interval)
        {
            return last.Observation;
        }

        if (Endpoint(model) is not { } endpoint || model.Location() is not { } location)
        {
            return UploadObservation.Failed("InvalidSource", "spec.source needs a uri (oss://bucket/prefix) and an endpoint", false);
        }

        var client = Client(endpoint, accessKeyId, accessKeySecret);
        var gate = _gates.GetOrAdd((endpoint, location, accessKeyId, accessKeySecret),
            _ => new(_paces.GetOrAdd((endpoint, location), _ => new()), new(client, location), options, time));
        var stale = TimeSpan.FromMinutes(Math.Max(1, model.Spec!.Source.Complete.StalledAfterMinutes));
        var (listing, error) = await gate.ListAsync(stale, cancellationToken);
        if (listing is null)
        {
            return new([], StoreFailure.Of(error!.Exception, model, endpoint.ServiceUrl, error.Doing));
        }

        if (listing.Failure is { } failure)
        {
            return new([], failure);
        }

        var fingerprint = listing.Fingerprint();
        if (last is not null && last.Of(model) && last.Fingerprint == fingerprint && Settled(last.Observation.Versions))
        {
            // Nothing has changed and time changes nothing: the small files need not be read.
            _judged[model.Key()] = last with { At = listing.At };
            return last.Observation;
        }

        var (judged, why) = await JudgeAsync(model, client, location, listing, last?.Documents ?? [], cancellationToken);
        if (judged is null)
        {
            return new([], StoreFailure.Of(why!.Exception, model, endpoint.ServiceUrl, why.Doing));
        }

        _judged[model.Key()] = judged with { Fingerprint = fingerprint };
        return judged.Observation;
    }

    public async Task<byte[]?> ReadAsync(
        CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken)
    {
        if (Endpoint(model) is not { } endpoint || model.Location() is not { } location)
        {
            return null;
        }

        using var limit = new CancellationTokenSource(options.ListingLimit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await GetAsync(Client(endpoint, accessKeyId, accessKeySecret), location.Bucket, key, maxBytes, null, both.Token);
        }
        catch (Exception e) when (StoreFailure.Is(e) && !cancellationToken.IsCancellationRequested)
        {
            throw new IOException(StoreFailure.Of(e, model, endpoint.ServiceUrl, $"reading {key}").Message, e);
        }
    }

    public void Dispose()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }
    }

    private async Task<(Judged?, StoreError?)> JudgeAsync(
        CachedModel model, AmazonS3Client client, SourceLocation location, PrefixListing listing, Dictionary<(string, string), byte[]?> before, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(options.ListingLimit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var source = model.Spec!.Source;
        var layout = UploadPlanner.Layout(source, model.Status);
        var versions = new List<UploadedVersion>();
        var kept = new Dictionary<(string, string), byte[]?>();
        var reading = "";
        try
        {
            // One after the other, so that never more than one version's documents are held.
            foreach (var version in UploadPlanner.Split(source.Complete, layout, location.Prefix, listing.Objects, listing.Open))
            {
                var decided = Decided(model, version);
                var documents = new Dictionary<(string Key, string), byte[]?>();
                foreach (var file in decided ? [] : UploadPlanner.Documents(source.Complete, version))
                {
                    reading = $"reading {file.Key}";
                    documents[(file.Key, file.ETag)] = before.GetValueOrDefault((file.Key, file.ETag))
                        ?? await GetAsync(client, location.Bucket, file.Key, UploadDocuments.MaxBytes, file, both.Token);
                }

                var content = documents.ToDictionary(d => d.Key.Key, d => d.Value, StringComparer.Ordinal);
                versions.Add(UploadPlanner.Judge(source.Complete, location.Prefix, version, content.GetValueOrDefault, listing.At, decided));
                Keep(kept, documents, versions[^1]);
            }
        }
        catch (Exception e) when (StoreFailure.Is(e) && !cancellationToken.IsCancellationRequested)
        {
            return (null, new(e, reading));
        }

        var beside = layout == source.Versions ? [] : UploadPlanner.Beside(location.Prefix, listing.Objects, listing.Open);
        return (new(model.Metadata.Uid, model.Metadata.Generation, layout, location, listing.At, new(versions, null) { Marks = listing.Marks(), Beside = beside }, "", kept), null);
    }

    /// <summary>What serves, has served, or was refused after it had been complete, with these very files.</summary>
    private static bool Decided(CachedModel model, VersionFiles version) => model.Status?.Versions?.Exists(v => v.Name == version.Name && v.Digest == version.Digest
        && v is { CompletedAt: not null, State: "Serving" or "Retired" or "Refused" }) == true;

    /// <summary>The small files of a version that time alone may change are soon needed again: as many as one version may have.</summary>
    private static void Keep(Dictionary<(string, string), byte[]?> kept, Dictionary<(string Key, string), byte[]?> documents, UploadedVersion verdict)
    {
        if (verdict.NextLook is null || kept.Values.Concat(documents.Values).Sum(d => d?.LongLength ?? 0) > UploadDocuments.MaxTotalBytes)
        {
            return;
        }

        foreach (var (file, bytes) in documents)
        {
            kept[file] = bytes;
        }
    }

    /// <summary>Time alone changes nothing more about them.</summary>
    private static bool Settled(IReadOnlyList<UploadedVersion> versions) => versions.All(v => v.NextLook is null);

    /// <param name="listed">The object must still be this one; null: any.</param>
    private static async Task<byte[]?> GetAsync(
        AmazonS3Client client, string bucket, string key, int maxBytes, StoredObject? listed, CancellationToken cancellationToken)
    {
        if (listed is { Size: 0 })
        {
            return []; // a range of an empty object is 416
        }

        try
        {
            // With a range the SDK does not compare the body with the ETag, which on OSS is often not the MD5. One byte more than allowed tells what is too large.
            using var response = await client.GetObjectAsync(
                new GetObjectRequest { BucketName = bucket, Key = key, ByteRange = new ByteRange(0, maxBytes) }, cancellationToken);
            if (response.ContentLength > maxBytes
                || (listed is not null && UploadDigest.NormalETag(response.ETag ?? "") != UploadDigest.NormalETag(listed.ETag)))
            {
                return null;
            }

            var bytes = new byte[response.ContentLength];
            await response.ResponseStream.ReadExactlyAsync(bytes, cancellationToken);
            return bytes;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound && e.ErrorCode != "NoSuchBucket")
        {
            return null;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return [];
        }
    }

    private StoreEndpoint? Endpoint(CachedModel model) => StoreEndpoint.Parse(string.IsNullOrEmpty(options.Endpoint) ? model.Spec?.Source.Endpoint : options.Endpoint);

    private AmazonS3Client Client(StoreEndpoint endpoint, string? id, string? secret) =>
        _clients.GetOrAdd((endpoint, id, secret), k => StoreClient.Connect(k.Item1, k.Item2, k.Item3, options, time));

    /// <summary>A model's last verdict, and what it takes to know that it still holds.</summary>
    private sealed record Judged(
        string? Uid, long? Generation, string Layout, SourceLocation Location, DateTimeOffset At, UploadObservation Observation, string Fingerprint, Dictionary<(string, string), byte[]?> Documents)
    {
        // The uid, because a model that is made again begins with the generation that the one before had.
        public bool Of(CachedModel model) => Uid == model.Metadata.Uid && Generation == model.Metadata.Generation && Location == model.Location()
            && Layout == UploadPlanner.Layout(model.Spec!.Source, model.Status);
    }
}
