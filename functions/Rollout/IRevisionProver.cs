namespace Prewarm.Functions.Rollout;

/// <summary>Asks a revision that has no traffic yet the questions its version brought along.</summary>
internal interface IRevisionProver
{
    /// <summary>Sends every line of golden.jsonl (<c>{"request": …, "expect": …}</c>) to the revision at <paramref name="revision"/> and compares: the answer must contain the expected JSON.</summary>
    Task<(GoldenOutcome Outcome, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken);
}
