using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Relay;

/// <summary>
/// One readiness request through the gateway with the model's Host: it wakes a model as any request does, without having it do anything. Marked as ours, and no probe:
/// Knative does not count those as traffic (facts/knative.md §2).
/// </summary>
internal sealed class ReadinessProbe(GatewayClient gateway, TrafficBook traffic, IOptions<RelayOptions> options, TimeProvider time)
{
    /// <summary>On every request that is ours and no demand.</summary>
    public const string Mark = "x-prewarm-wake";

    private const string Agent = "prewarm-relay";
    private const int MaxAnswer = 16 << 10;

    /// <summary>V1, V2, OpenAI: one of them answers at any model server that KServe has (facts/kserve.md §4).</summary>
    private static readonly string[] s_paths = ["/v1/models/{0}", "/v2/models/{0}/ready", "/openai/v1/models"];

    /// <param name="attempt">Number of this request in its wake, from 1.</param>
    /// <returns>And in words, where it is not ready.</returns>
    public async Task<(Readiness Readiness, string Answer)> AskAsync(ModelHold hold, ModelScale scale, int attempt, TimeSpan limit, CancellationToken cancellationToken)
    {
        if (gateway.Prefix is null || hold.Asked is not { } target)
        {
            return (Readiness.NotReady, "Gateway__Address is not set");
        }

        var (refused, closed) = ("", 0);
        for (var i = 0; i < s_paths.Length; i++)
        {
            var protocol = (hold.Protocol + i) % s_paths.Length;
            var (status, ready, answer) = await TryAsync(hold, target, protocol, attempt, limit, cancellationToken);
            if (ready)
            {
                hold.Protocol = protocol;
                return (Readiness.Ready, answer);
            }

            if (!Unknown(status))
            {
                return (Readiness.NotReady, answer);
            }

            refused = answer;
            closed += status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? 1 : 0;
        }

        // None of the paths is known there: a model server that keeps its readiness to itself, or a gateway that has no route yet. Pods tell which.
        return scale is { Level: ScaleLevel.Up, ReadyPods: > 0 } ? (Readiness.Ready, refused)
            : closed == s_paths.Length ? (Readiness.Closed, refused)
            : (Readiness.NotReady, $"no readiness path is known there: {refused}");
    }

    /// <summary>The model server has no such path, or keeps it to itself.</summary>
    private static bool Unknown(HttpStatusCode? status) =>
        status is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;

    /// <returns>Status: null where there was no answer.</returns>
    private async Task<(HttpStatusCode? Status, bool Ready, string Answer)> TryAsync(ModelHold hold, RelayOutcome.Found target, int protocol, int attempt, TimeSpan limit, CancellationToken cancellationToken)
    {
        var path = string.Format(CultureInfo.InvariantCulture, s_paths[protocol], Uri.EscapeDataString(target.Model.ModelName()));
        using var request = new HttpRequestMessage(HttpMethod.Get, gateway.Prefix!.TrimEnd('/') + path);
        request.Headers.Host = target.Host;
        request.Headers.UserAgent.ParseAdd(Agent);
        if (hold.Cause is { Length: > 0 } cause)
        {
            request.Headers.TryAddWithoutValidation("traceparent", cause);
        }

        request.Headers.Add(Mark, attempt.ToString(CultureInfo.InvariantCulture));
        using var timeout = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var answer = await gateway.Http.SendAsync(request, either.Token);
            var told = $"{path} answered {(int)answer.StatusCode}";
            return answer.StatusCode switch
            {
                HttpStatusCode.OK when protocol != 0 || await ReadyAsync(answer, either.Token) => (answer.StatusCode, true, told),
                HttpStatusCode.OK => (answer.StatusCode, false, $"{path} says that the model is not ready"),
                _ => (answer.StatusCode, false, told),
            };
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return (null, false, e is OperationCanceledException && !GatewayClient.NotConnected(e) ? $"{path}: no answer in {limit.TotalSeconds:0} s" : $"{path}: {e.GetBaseException().Message}");
        }
        finally
        {
            // By its end, as the gateway counts it.
            if (options.Value.Sink is not null)
            {
                traffic.Other(hold.Key);
            }
        }
    }

    /// <summary>V1 tells readiness in the body, as a boolean or in words.</summary>
    private static async Task<bool> ReadyAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        await using var stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[MaxAnswer];
        var read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        try
        {
            using var json = JsonDocument.Parse(buffer.AsMemory(0, read));
            return json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("ready", out var ready)
                || !string.Equals(ready.ToString(), "false", StringComparison.OrdinalIgnoreCase);
        }
        catch (JsonException)
        {
            return true;
        }
    }
}
