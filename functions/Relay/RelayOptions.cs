namespace Prewarm.Functions.Relay;

/// <summary>Where predictions go, how long one may wait, and how much may be on its way. Every limit is of one process: N replicas hold N times as much.</summary>
internal sealed class RelayOptions
{
    /// <value>The mesh's ingress gateway (<c>Gateway__Address</c>), such as <c>http://istio-ingressgateway.istio-system</c>; null: predictions are answered with 502.</value>
    public Uri? Gateway { get; set; }

    /// <value>PEM file with the CAs that an https gateway's certificate may come from (<c>Gateway__CaFile</c>); null: the machine's.</value>
    public string? GatewayCaFile { get; set; }

    /// <value>How long a prediction may go without a byte in either direction (<c>Gateway__ActivityTimeoutSeconds</c>). Default: 600 s.</value>
    public TimeSpan ActivityTimeout { get; set; } = TimeSpan.FromSeconds(600);

    /// <value>timeoutSeconds of the relay's own revision (<c>Relay__RevisionTimeoutSeconds</c>): hold and answer together take no longer. Default: 600 s, the most that Knative grants.</value>
    public TimeSpan RevisionTimeout { get; set; } = TimeSpan.FromSeconds(600);

    /// <value>Requests that may be held for one model (<c>Relay__HoldPerModel</c>). Default: 2000.</value>
    public int HoldPerModel { get; set; } = 2000;

    /// <value>Requests that may be held for all models (<c>Relay__HoldTotal</c>). Default: 5000.</value>
    public int HoldTotal { get; set; } = 5000;

    /// <value>Bytes of bodies that may wait in memory for held requests (<c>Relay__HoldBytes</c>); at most 1 MiB of one body does. Default: 128 MiB.</value>
    public long HoldBytes { get; set; } = 128L << 20;

    /// <value>The longest body that is kept for being sent again (<c>Relay__ReplayBytes</c>). Default: 64 KiB.</value>
    public int ReplayBytes { get; set; } = 64 << 10;

    /// <value>Bytes of all such bodies (<c>Relay__ReplayTotalBytes</c>); beyond, bodies are not kept. Default: 64 MiB.</value>
    public long ReplayTotalBytes { get; set; } = 64L << 20;

    /// <value>Requests that a model is given at first after a wake (<c>Relay__RampStart</c>); the number doubles as they are answered. Default: 4.</value>
    public int RampStart { get; set; } = 4;

    /// <value>The largest request body (<c>Relay__MaxBodyBytes</c>); 413 beyond. Default: 100 MB.</value>
    public long MaxBodyBytes { get; set; } = 100_000_000;

    /// <value>Bytes of all request headers (<c>Relay__MaxHeaderBytes</c>); 431 beyond. Default: 32 KiB.</value>
    public int MaxHeaderBytes { get; set; } = 32 << 10;

    /// <value>Bytes of method, URL and protocol (<c>Relay__MaxUrlBytes</c>); 414 beyond. Default: 8 KiB.</value>
    public int MaxUrlBytes { get; set; } = 8 << 10;

    /// <value>Predictions of one model at a time (<c>Relay__ModelConcurrency</c>), held ones included; 429 beyond. Default: 0, no limit.</value>
    public int ModelConcurrency { get; set; }

    /// <value>Predictions of one caller at a time (<c>Relay__CallerConcurrency</c>), held ones included; 429 beyond. Default: 0, no limit.</value>
    public int CallerConcurrency { get; set; }

    /// <value>The header that names the caller (<c>Relay__CallerHeader</c>); the last value of a list counts, which is what the nearest proxy wrote. Default: none, the address of the connection.</value>
    public string? CallerHeader { get; set; }

    /// <value>Bearer tokens that may ask for predictions (<c>Relay__Tokens</c>, comma list). Default: none.</value>
    public IReadOnlyList<string> Tokens { get; set; } = [];

    /// <value>HS256 key of JWTs that may ask for predictions (<c>Relay__JwtKey</c>, at least 32 bytes). Default: none.</value>
    public string? JwtKey { get; set; }

    /// <value>PEM file with the RSA public key of RS256 JWTs that may ask for predictions (<c>Relay__JwtPublicKeyFile</c>). Default: none.</value>
    public string? JwtPublicKeyFile { get; set; }

    /// <value>The <c>iss</c> that JWTs must have (<c>Relay__JwtIssuer</c>). Default: any.</value>
    public string? JwtIssuer { get; set; }

    /// <value>The <c>aud</c> that JWTs must have (<c>Relay__JwtAudience</c>). Default: any.</value>
    public string? JwtAudience { get; set; }

    /// <value>How long a process that is asked to end still takes requests, unready already, so that whoever sends them can notice (<c>Relay__DrainSeconds</c>). Default: 0.5 s.</value>
    public TimeSpan Drain { get; set; } = TimeSpan.FromSeconds(0.5);

    /// <value>How long requests that have begun may go on after that (<c>Relay__GraceSeconds</c>). Default: 30 s.</value>
    public TimeSpan Grace { get; set; } = TimeSpan.FromSeconds(30);

    /// <value>Where CloudEvents are sent (<c>K_SINK</c>); null: nowhere, and nobody loads a cold cache on the relay's behalf.</value>
    public Uri? Sink { get; set; }

    /// <value>File with the token that says to the sink who sends (<c>Events__SenderTokenFile</c>). Default: none.</value>
    public string? SenderTokenFile { get; set; }

    /// <summary>How long a request may be held when it says nothing else: until the relay's own revision is about to give up.</summary>
    public TimeSpan Budget => RevisionTimeout - (RevisionTimeout.TotalSeconds > 50 ? TimeSpan.FromSeconds(5) : RevisionTimeout / 10);
}
