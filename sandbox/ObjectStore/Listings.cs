using System.Xml.Linq;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>What is in a bucket.</summary>
internal static class Listings
{
    /// <summary>ListObjects V1 and V2: keys and common prefixes in order, after the marker, at most max-keys.</summary>
    public static XElement Objects(Bucket bucket, IQueryCollection query)
    {
        var v2 = query["list-type"] == "2";
        var (prefix, delimiter, token) = (query["prefix"].ToString(), query["delimiter"].ToString(), query["continuation-token"].ToString());
        var after = v2 ? token.Length > 0 ? S3Xml.Key(token) : query["start-after"].ToString() : query["marker"].ToString();
        var max = int.TryParse(query["max-keys"], out var asked) ? Math.Clamp(asked, 0, 1000) : 1000;
        var encode = Encoder(query);
        var (items, prefixes, last, truncated) = (new List<XElement>(), new List<string>(), "", false);
        lock (bucket)
        {
            foreach (var (key, o) in bucket.Objects)
            {
                if (!key.StartsWith(prefix, StringComparison.Ordinal) || Utf8Order.Instance.Compare(key, after) <= 0)
                {
                    continue;
                }

                var cut = delimiter.Length > 0 ? key.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal) : -1;
                var common = cut < 0 ? null : key[..(cut + delimiter.Length)];
                if (common is not null && (common == last || (after.Length > 0 && after == common)))
                {
                    continue;
                }

                if (items.Count + prefixes.Count >= max)
                {
                    truncated = max > 0;
                    break;
                }

                last = common ?? key;
                if (common is not null)
                {
                    prefixes.Add(common);
                    continue;
                }

                items.Add(new("Contents", new XElement("Key", encode(key)), new XElement("LastModified", S3Xml.Time(o.Modified)), new XElement("ETag", $"\"{o.ETag}\""),
                    new XElement("Size", o.Data.Length), new XElement("StorageClass", "STANDARD")));
            }
        }

        return new("ListBucketResult", new XElement("Name", bucket.Name), new XElement("Prefix", encode(prefix)), new XElement("MaxKeys", max), new XElement("IsTruncated", truncated),
            v2 ? new XElement("KeyCount", items.Count + prefixes.Count) : null,
            query.ContainsKey("encoding-type") ? new XElement("EncodingType", "url") : null,
            truncated ? v2 ? new XElement("NextContinuationToken", S3Xml.Token(last)) : new XElement("NextMarker", encode(last)) : null,
            items, prefixes.Select(p => new XElement("CommonPrefixes", new XElement("Prefix", encode(p)))));
    }

    /// <summary>Open uploads by key, then by start; pages by key-marker and upload-id-marker.</summary>
    public static XElement Uploads(Bucket bucket, IQueryCollection query)
    {
        var (prefix, key, id) = (query["prefix"].ToString(), query["key-marker"].ToString(), query["upload-id-marker"].ToString());
        var max = int.TryParse(query["max-uploads"], out var asked) ? Math.Clamp(asked, 1, 1000) : 1000;
        var encode = Encoder(query);
        lock (bucket)
        {
            var all = bucket.Uploads.Values.Where(u => u.Key.StartsWith(prefix, StringComparison.Ordinal))
                .OrderBy(u => u.Key, Utf8Order.Instance).ThenBy(u => u.Id, StringComparer.Ordinal)
                .Where(u => key.Length == 0 || Utf8Order.Instance.Compare(u.Key, key) is var order && (order > 0 || (order == 0 && id.Length > 0 && string.CompareOrdinal(u.Id, id) > 0))).ToList();
            var page = all.Take(max).ToList();
            var truncated = all.Count > max;
            return new("ListMultipartUploadsResult", new XElement("Bucket", bucket.Name), new XElement("Prefix", encode(prefix)), new XElement("MaxUploads", max), new XElement("IsTruncated", truncated),
                query.ContainsKey("encoding-type") ? new XElement("EncodingType", "url") : null,
                truncated ? new object[] { new XElement("NextKeyMarker", encode(page[^1].Key)), new XElement("NextUploadIdMarker", page[^1].Id) } : null,
                page.Select(u => new XElement("Upload", new XElement("Key", encode(u.Key)), new XElement("UploadId", u.Id), new XElement("Initiated", S3Xml.Time(u.Initiated)))));
        }
    }

    public static XElement Parts(Bucket bucket, string key, string id)
    {
        lock (bucket)
        {
            return new("ListPartsResult", new XElement("Bucket", bucket.Name), new XElement("Key", key), new XElement("UploadId", id), new XElement("IsTruncated", false),
                bucket.Upload(key, id).Parts.Select(p => new XElement("Part", new XElement("PartNumber", p.Key), new XElement("LastModified", S3Xml.Time(p.Value.Modified)),
                    new XElement("ETag", $"\"{p.Value.ETag}\""), new XElement("Size", p.Value.Data.Length))));
        }
    }

    private static Func<string, string> Encoder(IQueryCollection query) =>
        query["encoding-type"] == "url" ? s => Uri.EscapeDataString(s).Replace("%2F", "/", StringComparison.Ordinal) : s => s;
}
