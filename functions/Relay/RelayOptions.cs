namespace Prewarm.Functions.Relay;

/// <summary>Where predictions go and how long one may stand still.</summary>
internal sealed class RelayOptions
{
    /// <value>The mesh's ingress gateway (<c>Gateway__Address</c>), such as <c>http://istio-ingressgateway.istio-system</c>; null: predictions are answered with 502.</value>
    public Uri? Gateway { get; set; }

    /// <value>How long a prediction may go without a byte in either direction, a cold start included (<c>Gateway__ActivityTimeoutSeconds</c>). Default: 600 s.</value>
    public TimeSpan ActivityTimeout { get; set; } = TimeSpan.FromSeconds(600);
}
