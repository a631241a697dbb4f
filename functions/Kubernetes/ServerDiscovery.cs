using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Serialization;

namespace Prewarm.Functions.Kubernetes;

/// <inheritdoc cref="IServerDiscovery"/>
/// <param name="http">As for <see cref="KubeApi"/>; disposed with this.</param>
internal sealed class ServerDiscovery(HttpClient http, TimeProvider time) : IServerDiscovery, IDisposable
{
    public async Task<ServerGreeting> GreetAsync(CancellationToken cancellationToken)
    {
        var asked = time.GetUtcNow();
        using var response = await http.GetAsync("version", cancellationToken);
        response.EnsureSuccessStatusCode();
        var version = await response.Content.ReadFromJsonAsync(DiscoveryJsonContext.Default.ServerVersion, cancellationToken);
        return new(version?.GitVersion ?? "unknown", response.Headers.Date, asked, time.GetUtcNow());
    }

    public async Task<IReadOnlyList<string>?> KindsAsync(string groupVersion, CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(groupVersion.Contains('/') ? $"apis/{groupVersion}" : $"api/{groupVersion}", cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        response.EnsureSuccessStatusCode();
        var list = await response.Content.ReadFromJsonAsync(DiscoveryJsonContext.Default.ServerKinds, cancellationToken);
        return [.. (list?.Resources ?? []).Select(r => r.Name)];
    }

    public void Dispose() => http.Dispose();
}

/// <summary>k8s.io/apimachinery version.Info.</summary>
internal sealed record ServerVersion(string? GitVersion);

/// <summary>meta/v1 APIResourceList.</summary>
internal sealed record ServerKinds(List<ServerKind>? Resources);

internal sealed record ServerKind(string Name);

[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(ServerVersion))]
[JsonSerializable(typeof(ServerKinds))]
internal sealed partial class DiscoveryJsonContext : JsonSerializerContext;
