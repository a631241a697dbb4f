using System.Net;
using System.Net.Sockets;
using Prewarm.Sandbox.Running;
using Xunit;

namespace Prewarm.Tests.Unit.Cluster;

public sealed class ApiPassageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("passage-").FullName;
    private readonly TcpListener _server = new(IPAddress.Loopback, 0);

    public ApiPassageTests() => _server.Start();

    private string Away => Path.Combine(_folder, "api-away");

    public void Dispose()
    {
        _server.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Passage_WhileTheFileIsThere_LeadsNowhere_AndWhatWasOpenBreaks()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await using var passage = new ApiPassage(new($"https://127.0.0.1:{((IPEndPoint)_server.LocalEndpoint).Port}"), Away, TimeProvider.System);
        using var first = await ConnectAsync(passage, limit.Token);
        using var accepted = await _server.AcceptTcpClientAsync(limit.Token);
        Assert.Equal("there", await AcrossAsync(first, accepted, "there", limit.Token));
        Assert.Equal("and back", await AcrossAsync(accepted, first, "and back", limit.Token));

        await File.WriteAllTextAsync(Away, "", limit.Token);
        Assert.True(await EndsAsync(first, limit.Token));
        Assert.True(await EndsAsync(accepted, limit.Token));
        using var refused = await ConnectAsync(passage, limit.Token);
        Assert.True(await EndsAsync(refused, limit.Token));

        File.Delete(Away);
        using var again = await ConnectAsync(passage, limit.Token);
        using var acceptedAgain = await _server.AcceptTcpClientAsync(limit.Token);
        Assert.Equal("again", await AcrossAsync(again, acceptedAgain, "again", limit.Token));
    }

    private static async Task<TcpClient> ConnectAsync(ApiPassage passage, CancellationToken cancellationToken)
    {
        var client = new TcpClient();
        await client.ConnectAsync(passage.Address.Host, passage.Address.Port, cancellationToken);
        return client;
    }

    private static async Task<string> AcrossAsync(TcpClient from, TcpClient to, string text, CancellationToken cancellationToken)
    {
        await from.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(text), cancellationToken);
        var read = new byte[text.Length];
        await to.GetStream().ReadExactlyAsync(read, cancellationToken);
        return System.Text.Encoding.ASCII.GetString(read);
    }

    private static async Task<bool> EndsAsync(TcpClient client, CancellationToken cancellationToken)
    {
        try
        {
            return await client.GetStream().ReadAsync(new byte[1], cancellationToken) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
