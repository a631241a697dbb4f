using System.Net;
using System.Xml;
using Amazon.Runtime;
using Amazon.S3;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Upload;

/// <summary>What a person reads when the store cannot be used: where, while doing what, why, and what to change.</summary>
internal static class StoreFailure
{
    /// <summary>Whether an exception means the store and not a bug.</summary>
    public static bool Is(Exception e) => e is AmazonServiceException or AmazonClientException or StoreUnansweredException or XmlException or InvalidDataException or IOException or OperationCanceledException;

    /// <param name="endpoint">As the client reaches it.</param>
    /// <param name="doing">What the request was for, such as "listing the objects".</param>
    public static UploadFailure Of(Exception e, CachedModel model, string? endpoint, string doing)
    {
        var source = model.Spec?.Source;
        return e switch
        {
            AmazonS3Exception { ErrorCode: "NoSuchBucket" } => new("NoSuchBucket",
                $"spec.source.uri is '{source?.Uri}', but that bucket does not exist at {endpoint}: make it, or correct the uri or the endpoint", false),
            AmazonS3Exception { StatusCode: HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized } s3 => new("AccessDenied",
                $"the object store at {endpoint} refuses {doing} of {source?.Uri} ({s3.ErrorCode}: {s3.Message}): {Remedy(s3.ErrorCode, source?.CredentialsSecret, doing)}", false),
            AmazonS3Exception { StatusCode: >= HttpStatusCode.Continue and not (HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests) and < HttpStatusCode.InternalServerError } s3 => new("StoreRefused",
                $"the object store at {endpoint} refuses {doing} of {source?.Uri} ({s3.ErrorCode}): {s3.Message}", false),
            OperationCanceledException => new("StoreUnreachable", $"the object store at {endpoint} does not finish {doing} of {source?.Uri} in time", true),
            _ => new("StoreUnreachable", $"the object store at {endpoint} does not answer while {doing} of {source?.Uri}: {Cause(e)}", true),
        };
    }

    private static string Remedy(string? code, string? secret, string doing) => code switch
    {
        "InvalidAccessKeyId" => $"it does not know the key in {SourceSecret.IdKey} of {Named(secret)}",
        "SignatureDoesNotMatch" => $"{SourceSecret.SecretKey} of {Named(secret)} does not belong to its {SourceSecret.IdKey}",
        "RequestTimeTooSkewed" => "the clocks of the store and of this node differ",
        _ => $"allow {doing} to the keys of {Named(secret)}",
    };

    private static string Named(string? secret) => string.IsNullOrEmpty(secret) ? "the pod's own credentials" : $"Secret {secret}";

    /// <summary>The code of an answer; or what the network said, or that it said nothing.</summary>
    private static string Cause(Exception e) => e is AmazonServiceException { StatusCode: >= HttpStatusCode.Continue } answer
        ? $"{(string.IsNullOrEmpty(answer.ErrorCode) ? $"HTTP {(int)answer.StatusCode}" : answer.ErrorCode)}: {answer.Message}"
        : e.Message;
}
