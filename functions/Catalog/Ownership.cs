using System.Buffers;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Catalog;

/// <summary>The marks on everything Prewarm makes, and the check before it touches what is already there.</summary>
internal static class Ownership
{
    public const string ModelLabel = "prewarm.dev/model";
    public const string VersionLabel = "prewarm.dev/version";
    public const string ManagedByLabel = "app.kubernetes.io/managed-by";
    public const string DigestAnnotation = "prewarm.dev/digest";
    /// <summary>On a CachedModel, by the prewarmer: a <see cref="CacheMark"/> for the serving version's cache.</summary>
    public const string CacheAnnotation = "prewarm.dev/cache";
    public const string Finalizer = "prewarm.dev/cleanup";

    /// <summary>Field managers: one per writer, spec and status apart.</summary>
    public const string Manager = "prewarm";
    public const string StatusManager = "prewarm-status";
    public const string FinalizerManager = "prewarm-finalizer";

    private static readonly SearchValues<char> s_label = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

    public static string Selector(string model) => $"{ModelLabel}={LabelValue(model)},{ManagedByLabel}=prewarm";

    public static string Selector(IEnumerable<string> models) => $"{ModelLabel} in ({string.Join(',', models.Select(LabelValue))}),{ManagedByLabel}=prewarm";

    public static ObjectMeta Meta(CachedModel model, string name, string version, string digest) => new()
    {
        Name = name,
        Namespace = model.Metadata.Namespace,
        Labels = new()
        {
            [ModelLabel] = LabelValue(model.Metadata.Name!),
            [VersionLabel] = LabelValue(version),
            [ManagedByLabel] = "prewarm",
        },
        Annotations = new() { [DigestAnnotation] = digest },
        OwnerReferences =
        [
            new()
            {
                ApiVersion = "prewarm.dev/v1alpha1", Kind = "CachedModel", Name = model.Metadata.Name!, Uid = model.Metadata.Uid!,
                Controller = true, BlockOwnerDeletion = false,
            },
        ],
    };

    /// <summary>True when the object was made for this very CachedModel (by owner uid).</summary>
    public static bool Owns(CachedModel model, ObjectMeta meta) =>
        meta.OwnerReferences?.Exists(o => string.Equals(o.Uid, model.Metadata.Uid, StringComparison.Ordinal)) == true;

    /// <summary>
    /// True when the object is somebody else's and must be left alone. Ours is what was made for this very CachedModel, and what carries our labels
    /// and has lost its owner: no other controller has it, so it is put right as any other drift.
    /// </summary>
    public static bool Foreign(CachedModel model, ObjectMeta meta) =>
        !Owns(model, meta)
        && (meta.OwnerReferences?.Exists(o => o.Controller == true) == true
            || meta.Labels?.GetValueOrDefault(ManagedByLabel) != "prewarm"
            || meta.Labels?.GetValueOrDefault(ModelLabel) != LabelValue(model.Metadata.Name!));

    /// <summary>A text as a label value: at most 63 of [A-Za-z0-9._-], beginning and ending with an alphanumeric.</summary>
    public static string LabelValue(string text)
    {
        if (text.Length is > 0 and <= 63 && char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1]) && !text.AsSpan().ContainsAnyExcept(s_label))
        {
            return text;
        }

        var chars = text.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-').Take(63).ToArray();
        return new string(chars).Trim('-', '_', '.');
    }
}
