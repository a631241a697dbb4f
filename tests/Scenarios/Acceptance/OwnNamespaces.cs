namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// <c>knative/</c> and <c>eventing/</c> as somebody has them who looks after namespaces of their own, made as knative/namespaces says: its folder copied for
/// each, every one listed, the settings patched.
/// </summary>
internal static class OwnNamespaces
{
    private const string Example = "kserve-fluid-demo";

    /// <summary>Writes both into a new temporary folder.</summary>
    /// <param name="namespaces">Instead of the tutorial's.</param>
    /// <param name="secret">A further Secret that models of these namespaces may name.</param>
    /// <param name="optional">Folders of <c>knative/optional</c> whose rights the functions have in these namespaces too.</param>
    /// <returns>The folder, for <c>--deploy</c>.</returns>
    public static string Write(IReadOnlyList<string> namespaces, string secret, IReadOnlyList<string> optional)
    {
        var folder = Directory.CreateTempSubdirectory("own-namespaces-").FullName;
        foreach (var part in (string[])["knative", "eventing"])
        {
            Copy(Path.Combine(Checkout.Root, part), Path.Combine(folder, part));
            var example = Path.Combine(folder, part, "namespaces", Example);
            foreach (var ns in namespaces)
            {
                var own = Path.Combine(folder, part, "namespaces", ns);
                Copy(example, own);
                foreach (var file in Directory.GetFiles(own))
                {
                    File.WriteAllText(file, File.ReadAllText(file).Replace(Example, ns, StringComparison.Ordinal));
                }
            }

            if (part == "knative")
            {
                foreach (var ns in namespaces)
                {
                    File.AppendAllText(Path.Combine(folder, part, "namespaces", ns, "kustomization.yaml"), string.Concat(optional.Select(o => $"- ../../optional/{o}\n")));
                }
            }

            Directory.Delete(example, recursive: true);
            var all = Path.Combine(folder, part, "kustomization.yaml");
            File.WriteAllText(all, File.ReadAllText(all).Replace($"- namespaces/{Example}\n", string.Concat(namespaces.Select(ns => $"- namespaces/{ns}\n")), StringComparison.Ordinal));
        }

        File.AppendAllText(Path.Combine(folder, "knative", "kustomization.yaml"), $$"""
            patches:
            - target: { kind: ConfigMap, name: prewarm-settings }
              patch: '[{"op": "replace", "path": "/data/namespaces", "value": "{{string.Join(',', namespaces)}}"}]'
            - target: { kind: Role, name: prewarm-credentials }
              patch: '[{"op": "add", "path": "/rules/0/resourceNames/-", "value": "{{secret}}"}]'

            """);
        return folder;
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (var folder in Directory.GetDirectories(from))
        {
            Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
        }
    }
}
