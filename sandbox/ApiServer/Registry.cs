using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>The kinds the server holds now; an immutable list, swapped when CRDs come and go.</summary>
internal sealed class Registry
{
    private volatile IReadOnlyList<Kind> _kinds = BuiltInKinds.All;

    public IReadOnlyList<Kind> Kinds => _kinds;

    public Kind? Find(string group, string version, string plural) => _kinds.FirstOrDefault(k => k.Group == group && k.Version == version && k.Plural == plural);

    public void Set(JsonObject crd)
    {
        var kinds = Kind.FromCrd(crd).ToList();
        _kinds = [.. _kinds.Where(k => !k.Custom || k.Resource != kinds[0].Resource), .. kinds];
    }

    public void Remove(JsonObject crd) => _kinds = [.. _kinds.Where(k => !k.Custom || k.Resource != (string?)crd["metadata"]?["name"])];
}
