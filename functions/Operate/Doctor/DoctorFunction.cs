using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Compares the cluster with what is needed: JSON, or text for <c>Accept: text/plain</c>. 200 also with findings, which are the answer.</summary>
internal sealed class DoctorFunction(DoctorClient doctor) : IDisposable
{
    private static readonly TimeSpan ReportLimit = TimeSpan.FromSeconds(25);

    // An examination asks the API server a hundred things: one at a time.
    private readonly SemaphoreSlim _one = new(1);

    [Function("Doctor")]
    public async Task<IResult> Examine([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "api/doctor")] HttpRequest request, FunctionContext context)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(request.HttpContext.RequestAborted);
        limit.CancelAfter(ReportLimit);
        await _one.WaitAsync(limit.Token);
        DoctorReport report;
        try
        {
            report = await doctor.ReportAsync(serving: true, limit.Token);
        }
        finally
        {
            _one.Release();
        }

        if (!request.Headers.Accept.ToString().Contains("text/plain", StringComparison.OrdinalIgnoreCase))
        {
            return Results.Text(JsonSerializer.Serialize(report, DoctorJsonContext.Default.DoctorReport), "application/json");
        }

        using var text = new StringWriter();
        Diagnosis.Write(report, text);
        return Results.Text(text.ToString());
    }

    public void Dispose() => _one.Dispose();
}
