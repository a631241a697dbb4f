using System.Text.Json.Serialization.Metadata;

namespace Prewarm.Functions.Kubernetes;

/// <summary>A kind of object that the API server holds, and how its JSON is read and written.</summary>
/// <param name="Group">API group; empty for the core group.</param>
/// <param name="Version">Version inside the group, such as <c>v1alpha1</c>.</param>
/// <param name="Plural">Lower-case plural, as it stands in the path.</param>
/// <param name="Kind">Kind, as it stands in manifests.</param>
/// <param name="Json">Source-generated contract of <typeparamref name="T"/>.</param>
/// <param name="Namespaced">False for cluster-scoped kinds.</param>
internal sealed record ResourceType<T>(
    string Group, string Version, string Plural, string Kind, JsonTypeInfo<T> Json, bool Namespaced = true)
    where T : class
{
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>Path of the collection or, with <paramref name="name"/>, of one object or its subresource.</summary>
    public string Path(string? ns, string? name = null, string? subresource = null)
    {
        var path = Group.Length == 0 ? $"/api/{Version}" : $"/apis/{Group}/{Version}";
        if (Namespaced && ns is not null)
        {
            path += $"/namespaces/{Uri.EscapeDataString(ns)}";
        }

        path += $"/{Plural}";
        if (name is not null)
        {
            path += $"/{Uri.EscapeDataString(name)}";
        }

        return subresource is null ? path : $"{path}/{subresource}";
    }
}
