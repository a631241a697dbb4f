namespace Prewarm.Sandbox.ObjectStore;

/// <summary>An S3 error answer: ends the request with its status and an XML body.</summary>
internal sealed class S3Error(int status, string code, string message) : Exception(message)
{
    public int Status { get; } = status;

    public string Code { get; } = code;
}
