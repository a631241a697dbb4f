namespace Prewarm.Functions.Upload;

/// <summary>
/// The store gave no whole answer, however often it was asked. No IOException or HttpRequestException, and none within, because the SDK sends a request that ends with
/// one of those another ten times, without a pause and whatever MaxErrorRetry says (AWSSDK.S3 4.1.0, measured).
/// </summary>
internal sealed class StoreUnansweredException(string message) : Exception(message);
