using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.Upload;

/// <summary>Stores that answer with something that is no answer: a failure of the listing, and an IOException of a read, which the line waits out.</summary>
public sealed class BrokenStoreTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(40);

    [Theory]
    [InlineData(500, "", "StoreUnreachable")]
    [InlineData(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", "AccessDenied")]
    [InlineData(200, "this is no XML", "StoreUnreachable")]
    [InlineData(200, "<ListBucketResult><Contents><Key>", "StoreUnreachable")]
    [InlineData(400, "{}", "StoreRefused")]
    public async Task Answer_ThatIsNone_FailsTheListingAndTheReadInTheirOwnWay(int status, string body, string reason)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var store = builder.Build();
        store.Run(context =>
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = "application/xml";
            return context.Response.WriteAsync(body);
        });
        await store.StartAsync().WaitAsync(Deadline);
        var model = new CachedModel { Metadata = new() { Name = "m", Namespace = "n" }, Spec = new() { Source = new() { Uri = "oss://b/m", Endpoint = store.Urls.First() } } };
        using var source = new S3UploadSource(new(), TimeProvider.System);
        var observed = await source.ObserveAsync(model, "id", "secret", true, CancellationToken.None).WaitAsync(Deadline);
        Assert.Equal((reason, reason == "StoreUnreachable"), (observed.Failure!.Reason, observed.Failure.Transient));
        if (status != 200)
        {
            await Assert.ThrowsAsync<IOException>(() => source.ReadAsync(model, "m/golden.jsonl", 100, "id", "secret", CancellationToken.None).WaitAsync(Deadline));
        }
    }
}
