namespace Prewarm.Tests.Unit.Architecture;

/// <summary>The rooms of functions/ and what each may use.</summary>
internal static class HouseRules
{
    public const string Root = "Prewarm.Functions";

    /// <summary>A room uses the rooms before it in this list, never those after it.</summary>
    private static readonly string[] Rooms =
        ["Kubernetes", "Events", "Catalog", "Upload", "Warm", "Rollout", "Pipeline", "Scale", "Prewarm", "Relay", "Operate"];

    /// <summary>Libraries that only one room sees, by the beginning of their namespaces.</summary>
    private static readonly (string Library, string[] Rooms)[] Libraries =
    [
        ("Amazon", ["Upload"]),
        ("Yarp", ["Relay"]),
        ("k8s", ["Kubernetes"]),
        ("OpenTelemetry", ["Operate"]),
        ("CloudNative.CloudEvents", ["Events", "Pipeline", "Prewarm", "Scale"]),
    ];

    /// <summary>Types that a room must not use, though it may use the room they are in: what is asked at the relay is decided from memory, and the relay writes nothing to the cluster.</summary>
    private static readonly (string Room, string Type)[] Forbidden = [("Relay", "IKubeApi"), ("Relay", "KubeApi")];

    public static IReadOnlyList<string> Violations(IEnumerable<Dependency> dependencies)
    {
        var broken = new List<string>();
        foreach (var d in dependencies)
        {
            var room = Room(d.From);
            if (Array.IndexOf(Rooms, room) < 0)
            {
                broken.Add($"{d.From}.{d.Type}: {room} is no room of this house");
            }
            else if (Room(d.To) is { } used && Array.IndexOf(Rooms, used) > Array.IndexOf(Rooms, room))
            {
                broken.Add($"{room} must not use {used}, which stands below it: {d.Type} uses {d.Used}");
            }
            else if (Array.Exists(Forbidden, f => f.Room == room && f.Type == d.Used))
            {
                broken.Add($"{room} must not use {d.Used}: {d.Type} does");
            }
            else if (Array.Find(Libraries, l => Within(d.To, l.Library)) is { Library: not null } library && !library.Rooms.Contains(room))
            {
                broken.Add($"only {string.Join(" and ", library.Rooms)} may see {library.Library}: {room}.{d.Type} uses {d.Used}");
            }
        }

        return broken;
    }

    /// <summary>The room of a namespace; null when it is not of this house.</summary>
    private static string? Room(string ns) => Within(ns, Root) && ns.Length > Root.Length ? ns[(Root.Length + 1)..].Split('.')[0] : null;

    private static bool Within(string ns, string root) => ns == root || ns.StartsWith(root + ".", StringComparison.Ordinal);
}
