namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Questions whose answer at the end of a minute is how many requests ended in it. Not by <c>increase()</c>, which loses what falls between the last sample of one window and the first of the next, and everything that a new
/// series begins with: the first call after a start from zero. Instead the difference to the last value before the minute: what begins anew after a reset counts whole, as with increase(), and so does a new series, unless
/// Prometheus itself has only just begun to look (no <c>up</c> five minutes ago). What lies between two looks up to an hour apart counts in the later one's minute.
/// </summary>
internal static class PrometheusQuery
{
    /// <summary>
    /// By the gateway's own telemetry (istio.io "Istio Standard Metrics"): each request once, at zero too, when the activator holds it; the revision is the Service that the route leads to. Requests that the gateway passes on
    /// to itself (KServe's outer route) name no model and fall out.
    /// </summary>
    public static readonly string Istio = Calls("destination_service_namespace, destination_service_name",
        """istio_requests_total{reporter="source", source_workload=~".*gateway.*"}""");

    /// <summary>By the queue-proxies (knative.dev "Queue proxy metrics": Serving 1.19 and newer, and before), where a scrape adds namespace and pod, or the metric names them.</summary>
    public static readonly string QueueProxy = Calls("k8s_namespace_name, kn_revision_name, namespace_name, revision_name, namespace, pod",
        """{__name__=~"kn_serving_invocation_duration_seconds_count|revision_app_request_count"}""");

    /// <summary>The query of a name; what is no name is PromQL.</summary>
    public static string Named(string text) => text switch
    {
        "istio" => Istio,
        "queue-proxy" => QueueProxy,
        _ => text,
    };

    private static string Calls(string labels, string counter) =>
        $"sum by ({labels}) ({counter} - last_over_time({counter}[1h] offset 1m) >= 0 or {counter} and on () (up offset 5m)) > 0";
}
