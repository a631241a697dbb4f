using System.Runtime.InteropServices;

namespace Prewarm.Functions.Prewarm;

/// <summary>A time to be ready, [<paramref name="Start"/>, <paramref name="End"/>) seconds after the arrival it was decided at.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ReadyWindow(double Start, double End);
