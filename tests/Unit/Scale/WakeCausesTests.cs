using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Scale;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

/// <summary>Which requests are kept as the cause of a wake to come.</summary>
public sealed class WakeCausesTests
{
    private const string Cause = "00-11111111111111111111111111111111-2222222222222222-01";
    private readonly FakeTimeProvider _time = new();
    private readonly ScaleBoard _board;
    private readonly Activations _activations;

    public WakeCausesTests()
    {
        var api = new KubeApi(new HttpClient { BaseAddress = new("http://nowhere.invalid") });
        _board = new(_time);
        _activations = new(_board, new(_board, new(api, _time, NullLogger<ActivationWriter>.Instance), new(api, _time, NullLogger<WakeLoads>.Instance), _time, NullLogger<ActivationRun>.Instance),
            new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), _time, NullLogger<Activations>.Instance);
        _board.Take([RelayRouterTests.Model("default", "bloom"), RelayRouterTests.Model("default", "opt")]);
    }

    [Fact]
    public void Caused_NamesThatAreNoModels_KeepNothing()
    {
        for (var i = 0; i < 1000; i++)
        {
            _activations.Caused(new("default", $"made-up-{i}"), Cause);
        }

        _activations.Caused(new("default", "bloom"), Cause);
        Assert.Equal(1, _activations.Causes);
    }

    [Fact]
    public void Caused_AWakeThatNeverCame_IsForgottenWithTheNext()
    {
        _activations.Caused(new("default", "bloom"), Cause);
        _board.Take([RelayRouterTests.Model("default", "opt")]);
        _time.Advance(TimeSpan.FromMinutes(3));
        _activations.Caused(new("default", "opt"), Cause);
        Assert.Equal(1, _activations.Causes);
    }
}
