using Prewarm.Functions.Rollout;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>For versions without golden.jsonl: whoever asks all the same fails the test.</summary>
internal sealed class NeverAsked : IRevisionProver
{
    public Task<(GoldenOutcome Outcome, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken) =>
        throw new InvalidOperationException("there is no golden.jsonl");
}
