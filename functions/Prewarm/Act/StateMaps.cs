using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Prewarm;

/// <summary>State in ConfigMaps that two writers may have: a write names the resourceVersion it read, and at a conflict what the other has put there is read and decided on again.</summary>
internal static class StateMaps
{
    /// <summary>Says what a ConfigMap of ours holds.</summary>
    public const string Label = "prewarm.dev/state";

    /// <summary>Before the key of what could not be read.</summary>
    public const string Aside = "aside.";

    private const int Tries = 8;

    /// <summary>Makes or changes a ConfigMap.</summary>
    /// <param name="holds">Value of <see cref="Label"/>.</param>
    /// <param name="change">Told what is there (null: nothing) and changes its data; once a try.</param>
    /// <exception cref="KubeApiException">Still a conflict after eight tries, or anything else.</exception>
    public static async Task UpdateAsync(IKubeApi api, string ns, string name, string holds, Action<StateMap?, Dictionary<string, string>> change, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var map = await api.GetAsync(PrewarmKinds.ConfigMaps, ns, name, cancellationToken);
            var data = new Dictionary<string, string>(map?.BinaryData ?? [], StringComparer.Ordinal);
            change(map, data);
            var next = new StateMap
            {
                ApiVersion = "v1",
                Kind = "ConfigMap",
                Metadata = new() { Name = name, Namespace = ns, ResourceVersion = map?.Metadata.ResourceVersion, Labels = new() { [Label] = holds, [Ownership.ManagedByLabel] = "prewarm" } },
                BinaryData = data,
            };
            try
            {
                await (map is null
                    ? api.CreateAsync(PrewarmKinds.ConfigMaps, ns, next, cancellationToken)
                    : api.ReplaceAsync(PrewarmKinds.ConfigMaps, ns, name, next, null, cancellationToken));
                return;
            }
            catch (KubeApiException e) when (e.IsConflict && attempt < Tries)
            {
                // Another writer.
            }
        }
    }

    /// <summary>The bytes of a value; none when it is not base64.</summary>
    public static byte[] Bytes(string text)
    {
        var bytes = new byte[(text.Length * 3 / 4) + 3];
        return Convert.TryFromBase64String(text, bytes, out var length) ? bytes[..length] : [];
    }
}
