using System.Text;
using CloudNative.CloudEvents;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Xunit;

namespace Prewarm.Tests.Unit.Fuzz;

/// <summary>Whatever is posted: events, or 400, 413, 415 with a reason. No exception, and no event that throws when it is looked into.</summary>
public sealed class EventFuzzTests
{
    private const int Rounds = 4000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private const string Structured = """
        {"specversion":"1.0","id":"1","source":"acs.oss","type":"oss:ObjectCreated:PutObject","time":"2026-11-24T08:00:00Z","datacontenttype":"application/json",
         "data":{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"b"},"object":{"key":"m/模型 a+%41","size":5,"eTag":"AB"}}}}
        """;

    private const string Changed = """{"kind":"DataLoad","metadata":{"name":"n","namespace":"ns","labels":{"prewarm.dev/model":"bloom"}}}""";

    private static readonly string[] Types =
    [
        "application/json", "application/json;charset=utf-8", "application/cloudevents+json", "application/cloudevents-batch+json", "application/cloudevents", "application/cloudevents+xml",
        "text/plain", "", "/", ";;", "application/x+json; charset=\"", "模/型",
    ];

    private static readonly string[] Names = ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-", "ce-UPPER", "ce-data", "ce-模", "traceparent"];
    private static readonly string[] Values = ["1.0", "0.3", "9", "", " ", "id", "%", "%E6%A8%A1", "%FF", "dev.knative.apiserver.resource.update", "oss:ObjectCreated:PutObject", "2026-99-99", "\u202e"];

    private static readonly Gen<(string, string)> Header = Gen.Select(Gen.Int[0, Names.Length - 1], Gen.Int[0, Values.Length - 1], (n, v) => (Names[n], Values[v]));

    [Fact]
    public void AnyBody_InAnyMode_EventsOrAReason()
    {
        var read = 0;
        IReadOnlyList<byte[]> seeds = [.. new[] { Structured, Changed, $"[{Structured},{Structured}]", "{}", "[]" }.Select(Encoding.UTF8.GetBytes), .. Mutation.Samples("*.json", "*.txt")];
        Gen.Select(Mutation.Of(seeds), Gen.Int[0, Types.Length - 1], Header.Array[0, 6], Gen.Bool).Sample((body, type, headers, binary) =>
        {
            var answer = Read(body, Types[type], binary ? [.. headers, ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s"), ("ce-type", "dev.knative.apiserver.resource.update")] : headers);
            Assert.True(answer.Ok ? answer.Status == 200 : answer.Status is 400 or 413 or 415 && answer.Reason!.Length > 0, $"{answer.Status}: {answer.Reason}");
            foreach (var one in answer.Events)
            {
                LookInto(one);
                Interlocked.Increment(ref read);
            }
        }, iter: Rounds, print: t => $"{t.Item2} {string.Join(",", t.Item3)} {t.Item4} {Convert.ToBase64String(t.Item1)}");
        // A fuzzer that reads nothing tries nothing.
        Assert.True(read > Rounds / 50, $"only {read} events were readable");
    }

    [Fact]
    public void RealSamples_OfOss_AreReadUnchanged()
    {
        var samples = Mutation.Samples("oss-eventbridge-*.json");
        Assert.SkipWhen(samples.Count == 0, "../shared/samples is not there");
        Assert.All(samples, s => Assert.NotNull(OssObjectEvent.Parse(Assert.Single(Read(s, "application/json", []).Events))));
    }

    private static void LookInto(CloudEvent one)
    {
        if (OssObjectEvent.Parse(one) is { } oss)
        {
            _ = oss.Counts;
            Assert.NotEqual("", oss.Bucket);
            _ = new CatalogSnapshot([]).Owners(oss.Bucket, oss.Key).ToList();
        }

        if (ApiServerEvent.Parse(one) is { } changed)
        {
            _ = changed.Labels.GetValueOrDefault(Ownership.ModelLabel);
            _ = CatalogKinds.CachedModels.Path(changed.Namespace, changed.Name);
        }

        _ = TraceParent.Of(new DefaultHttpContext().Request, one);
    }

    private static CloudEventRead Read(byte[] body, string type, (string Name, string Value)[] headers)
    {
        var context = new DefaultHttpContext();
        context.Request.Method = "POST";
        context.Request.ContentType = type;
        context.Request.Body = new MemoryStream(body);
        foreach (var (name, value) in headers)
        {
            context.Request.Headers[name] = value;
        }

        return CloudEventReader.ReadAsync(context.Request, CancellationToken.None).WaitAsync(Limit).GetAwaiter().GetResult();
    }
}
