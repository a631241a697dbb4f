namespace Prewarm.Functions.Relay;

/// <summary>Data of <c>dev.prewarm.wake.requested</c>.</summary>
/// <param name="Version">The version that serves.</param>
/// <param name="Locality">Cold or Partial, and <paramref name="Reason"/> says why.</param>
/// <param name="Policy">require: the relay waits for the load; prefer: it does not.</param>
internal sealed record WakeRequest(string Namespace, string Name, string? Version, string? Revision, string Locality, string Reason, string Policy);
