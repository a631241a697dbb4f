using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Whether every model's object store can be reached with what its CachedModel names.</summary>
internal static class StoresAndSecrets
{
    public static IEnumerable<Finding> Check(ClusterFacts facts)
    {
        if (facts.Models.Value is not { } models)
        {
            yield return Finding.Unknown("store/endpoints", $"CachedModels: {facts.Models.Unseen}");
            yield break;
        }

        foreach (var group in models.GroupBy(m => m.Spec?.Source.Endpoint ?? "", StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            yield return Endpoint(facts, group.Key, group.First().Key().ToString());
        }

        foreach (var (key, seen) in facts.Secrets.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            yield return Secret(key, seen, models);
        }
    }

    private static Finding Endpoint(ClusterFacts facts, string endpoint, string model)
    {
        const string check = "store/endpoint";
        if (StoreEndpoint.Parse(endpoint) is not { } parsed)
        {
            return Finding.Error(check, $"{model}: spec.source.endpoint is '{endpoint}'", "write the region's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com");
        }

        var seen = facts.Stores.GetValueOrDefault(endpoint);
        return seen switch
        {
            { Value: { Status: < 500, SpeaksS3: false } greeting } => Finding.Error(check, $"{parsed.ServiceUrl} (asked for by {model}) answers {greeting.Status}{(greeting.Server is null ? "" : $" as {greeting.Server}")}, but not as an object store: no request id, no S3 error",
                "name an endpoint that speaks S3, as every OSS endpoint does, and not a web page, a console or a CDN in front of it"),
            { Value: { } greeting } when greeting.Status < 500 => Finding.Ok(check, $"{parsed.ServiceUrl} answers{(greeting.Server is null ? "" : $" as {greeting.Server}")}"),
            { Value: { } greeting } => Finding.Error(check, $"{parsed.ServiceUrl} answers {greeting.Status}", "wait, or see whether the endpoint is right"),
            _ => Finding.Error(check, $"{parsed.ServiceUrl} (asked for by {model}) does not answer from here: {seen?.Unseen ?? "not asked"}",
                "an -internal endpoint answers only inside its region's VPC; open the egress of the functions' namespace, or name another endpoint"),
        };
    }

    private static Finding Secret(string key, Seen<IReadOnlyList<string>> seen, IReadOnlyList<CachedModel> models)
    {
        const string check = "store/secret";
        if (seen.Unseen is { } why)
        {
            // Only the line's account may read it; what the line found stands in the status.
            var told = models.Where(m => $"{m.Key().Namespace}/{m.Spec?.Source.CredentialsSecret}" == key)
                .SelectMany(m => m.Status?.Conditions ?? []).FirstOrDefault(c => c.Reason is "CredentialsMissing" or "AccessDenied");
            return told is null ? Finding.Unknown(check, $"Secret {key}: {why}", "run the doctor as somebody who may read it, or trust the CachedModels' conditions, which say nothing against it")
                : Finding.Error(check, told.Message, $"kubectl -n {key.Split('/')[0]} create secret generic {key.Split('/')[1]} --from-literal={SourceSecret.IdKey}=… --from-literal={SourceSecret.SecretKey}=…");
        }

        string[] missing = [.. ((string[])[SourceSecret.IdKey, SourceSecret.SecretKey]).Where(k => seen.Value?.Contains(k) != true)];
        return seen.Value is null ? Finding.Error(check, $"Secret {key} does not exist", $"kubectl -n {key.Split('/')[0]} create secret generic {key.Split('/')[1]} --from-literal={SourceSecret.IdKey}=… --from-literal={SourceSecret.SecretKey}=…")
            : missing.Length > 0 ? Finding.Error(check, $"Secret {key} lacks {string.Join(" and ", missing)}", "add the keys, as the tutorial names them")
            : Finding.Ok(check, $"Secret {key} has both keys");
    }
}
