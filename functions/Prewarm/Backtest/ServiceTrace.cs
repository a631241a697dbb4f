namespace Prewarm.Functions.Prewarm;

/// <summary>One service's past: when it was called.</summary>
/// <param name="Id">Names the service in decisions.</param>
/// <param name="Start">First second of the observation.</param>
/// <param name="End">Second at which the observation ends; waste is cut off there.</param>
/// <param name="Arrivals">Absolute seconds, never falling.</param>
internal sealed record ServiceTrace(string Id, double Start, double End, double[] Arrivals);

/// <summary>A trace that cannot be read; the message names the file and the line.</summary>
internal sealed class TraceFormatException(string message) : Exception(message);
