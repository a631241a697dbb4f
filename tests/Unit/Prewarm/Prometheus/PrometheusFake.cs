using System.Globalization;
using System.Net;
using System.Text;
using System.Web;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Answers <c>query_range</c> with counts by minute of one revision; keeps what it was asked.</summary>
internal sealed class PrometheusFake : HttpMessageHandler
{
    public SortedList<long, int> Counts { get; } = [];
    public string Labels { get; set; } = """{"destination_service_namespace":"default","destination_service_name":"bloom-predictor-00001"}""";
    public List<(long First, long Last, string Query, string? Token)> Asked { get; } = [];

    /// <summary>In place of the counts.</summary>
    public Func<CancellationToken, Task<HttpResponseMessage>>? Instead { get; set; }

    public static HttpResponseMessage Answer(string text, HttpStatusCode status = HttpStatusCode.OK) => new(status) { Content = new StringContent(text, Encoding.UTF8, "application/json") };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var query = HttpUtility.ParseQueryString(request.RequestUri!.Query);
        var (first, last) = (Number(query["start"]!) / 60 - 1, Number(query["end"]!) / 60 - 1);
        Asked.Add((first, last, query["query"]!, request.Headers.Authorization?.ToString()));
        if (Instead is { } instead)
        {
            return await instead(cancellationToken);
        }

        var values = Counts.Where(c => c.Key >= first && c.Key <= last).Select(c => FormattableString.Invariant($"""[{(c.Key + 1) * 60},"{c.Value}"]"""));
        return Answer($$$"""{"status":"success","data":{"resultType":"matrix","result":[{"metric":{{{Labels}}},"values":[{{{string.Join(',', values)}}}]},{"metric":{"destination_service_name":"knative-local-gateway"},"values":[[{{{(last + 1) * 60}}},"9"]]}]}}""");
    }

    private static long Number(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
