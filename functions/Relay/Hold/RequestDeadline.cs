using System.Globalization;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>How long a request has, from its arrival.</summary>
/// <param name="Hold">The longest that it may be held.</param>
/// <param name="Answer">When its caller no longer waits for the answer; null: the caller did not say.</param>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct RequestDeadline(TimeSpan Hold, TimeSpan? Answer)
{
    /// <summary>Knative's default and greatest timeout of a revision, as the tutorial's (facts/knative.md §3).</summary>
    private static readonly TimeSpan ModelDefault = TimeSpan.FromSeconds(600);

    /// <summary>
    /// The caller's word by <c>Request-Timeout</c> (seconds) or <c>X-Request-Timeout-Ms</c>, the smaller of both; else <c>spec.serving.predictor.timeout</c>.
    /// Never more than the relay's own revision grants, because that ends hold and answer alike.
    /// </summary>
    /// <param name="problem">What is wrong with a header; null: nothing.</param>
    public static RequestDeadline Read(IHeaderDictionary headers, CachedModel model, RelayOptions options, out string? problem)
    {
        problem = null;
        TimeSpan? asked = null;
        // Both are unknown to Kestrel: two look-ups that cost next to nothing when neither is there.
        if (headers.TryGetValue("Request-Timeout", out var seconds))
        {
            asked = Parse("Request-Timeout", seconds.ToString(), 1, ref problem);
        }

        if (headers.TryGetValue("X-Request-Timeout-Ms", out var milliseconds) && Parse("X-Request-Timeout-Ms", milliseconds.ToString(), 0.001, ref problem) is { } ms && (asked is null || ms < asked))
        {
            asked = ms;
        }

        var budget = options.Budget;
        var hold = asked ?? RelayTarget.Of(model).Timeout;
        return new(hold < budget ? hold : budget, asked);
    }

    /// <summary><c>spec.serving.predictor.timeout</c>, which KServe makes the revision's timeout (facts/kserve.md §3).</summary>
    public static TimeSpan ModelTimeout(CachedModel model) =>
        model.Spec?.Serving.Predictor?["timeout"] is { } node && double.TryParse(node.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value > 0
            ? TimeSpan.FromSeconds(Math.Min(value, 86_400)) : ModelDefault;

    private static readonly System.Buffers.SearchValues<char> s_number = System.Buffers.SearchValues.Create("0123456789.");

    private static TimeSpan? Parse(string name, string text, double unit, ref string? problem)
    {
        // TryParse takes "Infinity" by any style.
        if (!text.AsSpan().ContainsAnyExcept(s_number) && double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value > 0)
        {
            return TimeSpan.FromSeconds(Math.Min(value * unit, 86_400));
        }

        problem = $"{name} is '{RelayProblem.Short(text)}': give a positive number of {(unit < 1 ? "milliseconds" : "seconds")}, once";
        return null;
    }
}
