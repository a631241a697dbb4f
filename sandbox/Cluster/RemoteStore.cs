using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

/// <summary>One mount of a Dataset: what stands below its path lies below the prefix.</summary>
/// <param name="Path">Without a slash at the end; empty for the root.</param>
internal sealed record Mount(string Path, string Bucket, string Prefix, IAmazonS3 Client);

/// <summary>A remote object under its path inside the Dataset.</summary>
internal sealed record RemoteFile(string Path, string Key, long Bytes, Mount Mount);

/// <summary>The remote object store as Datasets mount it, with the keys of their Secrets.</summary>
/// <param name="accessKey">Used by mounts without encryptOptions, with <paramref name="secretKey"/>.</param>
internal sealed class RemoteStore(IKubeApi api, Uri endpoint, string accessKey, string secretKey) : IDisposable
{
    private readonly Dictionary<string, AmazonS3Client> _clients = [];

    public async Task<IReadOnlyList<Mount>> MountsAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var mounts = new List<Mount>();
        foreach (var mount in dataset.At("spec", "mounts").Objects())
        {
            var at = MountPoint.Parse(mount.Text("mountPoint"));
            var id = await KeyAsync(dataset, mount, "fs.oss.accessKeyId", cancellationToken) ?? accessKey;
            var secret = await KeyAsync(dataset, mount, "fs.oss.accessKeySecret", cancellationToken) ?? secretKey;
            var path = (mount.Text("path") ?? "/" + mount.Text("name")).TrimEnd('/');
            mounts.Add(new(path, at.Bucket, at.Prefix, Client(mount.Text("options", "fs.oss.endpoint"), id, secret)));
        }

        return mounts;
    }

    public async Task<IReadOnlyList<RemoteFile>> ListAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var files = new List<RemoteFile>();
        foreach (var mount in await MountsAsync(dataset, cancellationToken))
        {
            string? token = null;
            do
            {
                var page = await mount.Client.ListObjectsV2Async(new() { BucketName = mount.Bucket, Prefix = mount.Prefix, ContinuationToken = token }, cancellationToken);
                files.AddRange((page.S3Objects ?? []).Where(o => !o.Key.EndsWith('/')).Select(o =>
                    new RemoteFile($"{mount.Path}/{o.Key[mount.Prefix.Length..]}", o.Key, o.Size ?? 0, mount)));
                token = page.IsTruncated == true ? page.NextContinuationToken : null;
            }
            while (token is not null);
        }

        return files;
    }

    /// <summary>One file by its path inside the Dataset, without a listing; null when no object is there.</summary>
    public async Task<RemoteFile?> FindAsync(JsonObject dataset, string path, CancellationToken cancellationToken)
    {
        foreach (var mount in (await MountsAsync(dataset, cancellationToken)).Where(m => path.StartsWith(m.Path + "/", StringComparison.Ordinal)).OrderByDescending(m => m.Path.Length))
        {
            var key = mount.Prefix + path[(mount.Path.Length + 1)..];
            try
            {
                var head = await mount.Client.GetObjectMetadataAsync(mount.Bucket, key, cancellationToken);
                return new(path, key, head.ContentLength, mount);
            }
            catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                // Perhaps below another mount.
            }
        }

        return null;
    }

    /// <summary>The object's bytes as they come: asked for as a range, because the SDK takes every other ETag for an MD5 (facts of AWSSDK.S3 4.1.0).</summary>
    public static async Task<Stream> OpenAsync(RemoteFile file, CancellationToken cancellationToken) => (await file.Mount.Client.GetObjectAsync(new()
    {
        BucketName = file.Mount.Bucket,
        Key = file.Key,
        ByteRange = file.Bytes > 0 ? new ByteRange("bytes=0-") : null,
    }, cancellationToken)).ResponseStream;

    public void Dispose()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }
    }

    private async Task<string?> KeyAsync(JsonObject dataset, JsonObject mount, string name, CancellationToken cancellationToken)
    {
        var option = mount.At("encryptOptions").Objects().FirstOrDefault(o => o.Text("name") == name);
        if (option is null)
        {
            return null;
        }

        var secret = await api.GetAsync(Kinds.Secrets, dataset.Namespace(), option.Text("valueFrom", "secretKeyRef", "name")!, cancellationToken);
        var value = secret.Text("data", option.Text("valueFrom", "secretKeyRef", "key")!) ?? throw new InvalidDataException($"the Secret of {name} is not there");
        return Encoding.UTF8.GetString(Convert.FromBase64String(value));
    }

    private AmazonS3Client Client(string? given, string id, string secret)
    {
        // A provider's host name has no meaning on this machine: only a full URL replaces the configured store.
        var url = Uri.TryCreate(given, UriKind.Absolute, out var own) && own.Scheme.StartsWith("http", StringComparison.Ordinal) ? own : endpoint;
        lock (_clients)
        {
            var key = $"{url} {id} {secret}";
            if (!_clients.TryGetValue(key, out var client))
            {
                _clients[key] = client = new(new BasicAWSCredentials(id, secret), new AmazonS3Config
                {
                    ServiceURL = url.ToString(),
                    ForcePathStyle = true,
                    AuthenticationRegion = "us-east-1",
                    MaxErrorRetry = 1,
                    RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
                    ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
                });
            }

            return client;
        }
    }
}
