using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Story;

/// <summary>The application: the tutorial's prediction, sent to the relay.</summary>
/// <param name="patient">The relay may be away for a while: a connection that it refuses or breaks, and its 503 "not ready", are tried again, because nothing stands between it and us that would route around it.</param>
internal sealed class Predictions(Uri relay, string model, bool patient) : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(25);
    private readonly HttpClient _http = new() { BaseAddress = relay, Timeout = TimeSpan.FromSeconds(60) };
    private readonly string _body = new JsonObject { ["prompt"] = TutorialModel.Prompt, ["result_length"] = TutorialModel.Length }.ToJsonString();

    /// <returns>The status code, the generated text (or what came instead), and the seconds it took.</returns>
    public async Task<(int Status, string Text, double Seconds)> AskAsync(CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (patient)
        {
            try
            {
                var answer = await OnceAsync(began, cancellationToken);
                if (answer.Status != 503 || TimeProvider.System.GetElapsedTime(began) > s_patience)
                {
                    return answer;
                }

                await Task.Delay(s_pause, TimeProvider.System, cancellationToken);
            }
            catch (Exception e) when (e is HttpRequestException or IOException && TimeProvider.System.GetElapsedTime(began) < s_patience)
            {
                await Task.Delay(s_pause, TimeProvider.System, cancellationToken);
            }
        }

        return await OnceAsync(began, cancellationToken);
    }

    private async Task<(int Status, string Text, double Seconds)> OnceAsync(long began, CancellationToken cancellationToken)
    {
        using var content = new StringContent(_body, Encoding.UTF8, "application/json");
        using var answer = await _http.PostAsync(new Uri($"/v1/models/{model}:predict", UriKind.Relative), content, cancellationToken);
        var text = await answer.Content.ReadAsStringAsync(cancellationToken);
        return ((int)answer.StatusCode, Result(text), TimeProvider.System.GetElapsedTime(began).TotalSeconds);
    }

    /// <summary>Asks again and again until cancelled.</summary>
    public async Task<(int Asked, List<string> Failures, HashSet<string> Answers)> KeepAskingAsync(CancellationToken cancellationToken)
    {
        var (asked, failures, answers) = (0, new List<string>(), new HashSet<string>(StringComparer.Ordinal));
        while (!cancellationToken.IsCancellationRequested)
        {
            asked++;
            try
            {
                // Not cancelled: the last one counts as well.
                var (status, text, _) = await AskAsync(CancellationToken.None);
                if (status == 200)
                {
                    answers.Add(text);
                }
                else
                {
                    failures.Add($"{status} {text}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                failures.Add(e.Message);
            }

            await Task.Delay(s_pause, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return (asked, failures, answers);
    }

    public void Dispose() => _http.Dispose();

    private static string Result(string text)
    {
        try
        {
            return JsonNode.Parse(text).Text("result") ?? text;
        }
        catch (JsonException)
        {
            return text;
        }
    }
}
