using Microsoft.Extensions.Time.Testing;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>A clock that jumps back as well; what has passed is not changed by that.</summary>
internal sealed class JumpingTime(DateTimeOffset start) : FakeTimeProvider(start)
{
    public TimeSpan Offset { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Offset;

    public override long GetTimestamp() => base.GetUtcNow().Ticks;
}
