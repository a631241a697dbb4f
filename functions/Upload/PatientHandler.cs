using System.Net;
using System.Security.Authentication;

namespace Prewarm.Functions.Upload;

/// <summary>
/// Asks the store: 1. ends a try on which nothing has come for a while; 2. takes an answer of a bearable size whole before anybody reads it, because the SDK parses
/// XML with blocking reads that no token and no time limit ends; 3. asks again, a few times and ever later, what broke off or was answered 429 or 5xx. Only reading is asked again.
/// Where a connection breaks before its answer begins, .NET itself opens up to three more within one try.
/// </summary>
internal sealed class PatientHandler(TimeSpan silence, int retries, TimeProvider time) : DelegatingHandler
{
    /// <summary>Bytes. A longer body is handed on as it comes: its reader stops at a limit of its own.</summary>
    public const int MostWhole = UploadDocuments.MaxBytes + 1;

    private const int Piece = 64 * 1024;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var again = request.Method == HttpMethod.Get || request.Method == HttpMethod.Head ? retries : 0;
        for (var pause = FirstPause; ; pause *= 4)
        {
            try
            {
                var response = await TryAsync(request, cancellationToken);
                if (again == 0 || response.StatusCode is not (HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError))
                {
                    return response;
                }

                response.Dispose();
            }
            catch (Exception e) when (again == 0 && e is IOException or HttpRequestException)
            {
                throw new StoreUnansweredException(e.InnerException is AuthenticationException tls ? tls.Message : e.Message);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                // 3: once more.
            }

            again--;
            await Task.Delay(pause, time, cancellationToken);
        }
    }

    private async Task<HttpResponseMessage> TryAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await WithinAsync(token => base.SendAsync(request, token), cancellationToken);
        try
        {
            if (request.Method != HttpMethod.Head && response.Content.Headers.ContentLength is not > MostWhole)
            {
                response.Content = await WholeAsync(response.Content, cancellationToken);
            }

            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private async Task<HttpContent> WholeAsync(HttpContent content, CancellationToken cancellationToken)
    {
        using var whole = new MemoryStream((int)(content.Headers.ContentLength ?? 0));
        await using (var body = await content.ReadAsStreamAsync(cancellationToken))
        {
            var piece = new byte[Piece];
            for (int read; (read = await WithinAsync(token => body.ReadAsync(piece, token).AsTask(), cancellationToken)) > 0;)
            {
                if (whole.Length + read > MostWhole)
                {
                    throw new IOException($"the answer has more than {MostWhole} bytes");
                }

                whole.Write(piece, 0, read);
            }
        }

        var result = new ByteArrayContent(whole.ToArray());
        foreach (var (name, values) in content.Headers)
        {
            result.Headers.TryAddWithoutValidation(name, values);
        }

        content.Dispose();
        return result;
    }

    private async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> step, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(silence, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await step(both.Token);
        }
        catch (OperationCanceledException e) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"it sent nothing for {silence.TotalSeconds:0.#} s", e);
        }
    }
}
