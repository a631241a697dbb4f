using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Sandbox.ObjectStore;

namespace Prewarm.Sandbox.Story;

/// <summary>Uploads a model folder as ossutil would: one object a file, big files in parts.</summary>
internal sealed class ModelUpload(IObjectStore store, string bucket) : IDisposable
{
    private const int PartBytes = 5 << 20;
    private readonly AmazonS3Client _client = new(new BasicAWSCredentials(store.AccessKeyId, store.AccessKeySecret), new AmazonS3Config
    {
        ServiceURL = store.Endpoint.ToString(),
        ForcePathStyle = true,
        AuthenticationRegion = "us-east-1",
        RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
    });

    /// <summary>Uploads the files in the order given.</summary>
    /// <returns>Bytes uploaded.</returns>
    public async Task<long> RunAsync(string prefix, IEnumerable<FileInfo> files, CancellationToken cancellationToken)
    {
        long bytes = 0;
        foreach (var file in files)
        {
            await (file.Length > PartBytes ? InPartsAsync($"{prefix}/{file.Name}", file, cancellationToken) : WholeAsync($"{prefix}/{file.Name}", file, cancellationToken));
            bytes += file.Length;
        }

        return bytes;
    }

    public void Dispose() => _client.Dispose();

    private Task WholeAsync(string key, FileInfo file, CancellationToken cancellationToken) =>
        _client.PutObjectAsync(new() { BucketName = bucket, Key = key, FilePath = file.FullName, UseChunkEncoding = false }, cancellationToken);

    private async Task InPartsAsync(string key, FileInfo file, CancellationToken cancellationToken)
    {
        var upload = await _client.InitiateMultipartUploadAsync(bucket, key, cancellationToken);
        var parts = new List<PartETag>();
        for (long at = 0; at < file.Length; at += PartBytes)
        {
            var part = await _client.UploadPartAsync(new()
            {
                BucketName = bucket,
                Key = key,
                UploadId = upload.UploadId,
                PartNumber = parts.Count + 1,
                FilePath = file.FullName,
                FilePosition = at,
                PartSize = Math.Min(PartBytes, file.Length - at),
                UseChunkEncoding = false,
            }, cancellationToken);
            parts.Add(new(parts.Count + 1, part.ETag));
        }

        await _client.CompleteMultipartUploadAsync(new() { BucketName = bucket, Key = key, UploadId = upload.UploadId, PartETags = parts }, cancellationToken);
    }
}
