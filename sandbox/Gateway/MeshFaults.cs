using System.Globalization;

namespace Prewarm.Sandbox.Gateway;

/// <summary>What a mesh may do to a request (<c>--fault NAME=VALUE</c>); all off unless set.</summary>
internal sealed class MeshFaults
{
    private readonly Random _random = new(41);

    /// <summary>Share of answers that become a 503 after the pod has worked (<c>pod-503</c>, 0 to 1).</summary>
    public double Pod503 { get; set; }

    /// <summary>Share of requests that the gateway answers 504 while the pod goes on (<c>gateway-504</c>, 0 to 1).</summary>
    public double Gateway504 { get; set; }

    /// <summary>How often a 503 is tried again (<c>retries</c>; Istio's default is 2).</summary>
    public int Retries { get; set; } = 2;

    /// <summary>Sets one by its name; false when there is no such fault or the value does not fit.</summary>
    public bool Set(string name, string value)
    {
        var number = double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) ? parsed : double.NaN;
        switch (name)
        {
            case "pod-503" when number is >= 0 and <= 1:
                Pod503 = number;
                return true;
            case "gateway-504" when number is >= 0 and <= 1:
                Gateway504 = number;
                return true;
            case "retries" when number is >= 0 and <= 10:
                Retries = (int)number;
                return true;
            default:
                return false;
        }
    }

    public bool Roll(double share)
    {
        if (share <= 0)
        {
            return false;
        }

        lock (_random)
        {
            return _random.NextDouble() < share;
        }
    }

    /// <summary>A number from 0 to 99, for the split of traffic.</summary>
    public int Percent()
    {
        lock (_random)
        {
            return _random.Next(100);
        }
    }
}
