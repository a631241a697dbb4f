using System.Diagnostics;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Operate;

/// <summary>The one source of Prewarm's spans.</summary>
internal static class PrewarmTracing
{
    public static ActivitySource Source => LineTracing.Source;
}
