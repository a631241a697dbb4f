using System.Diagnostics;

namespace Prewarm.Functions.Pipeline;

/// <summary>Spans of the line; exported when OTLP is configured.</summary>
internal static class LineTracing
{
    public static readonly ActivitySource Source = new("Prewarm");
}
