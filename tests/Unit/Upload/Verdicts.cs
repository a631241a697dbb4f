using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;

namespace Prewarm.Tests.Unit.Upload;

/// <summary>All versions of a listing, judged with documents that somebody has read.</summary>
internal static class Verdicts
{
    public static IReadOnlyList<UploadedVersion> Of(
        SourceSpec source, string prefix, IReadOnlyList<StoredObject> files, IReadOnlyList<OpenUpload> open, Func<string, byte[]?> content, DateTimeOffset now) =>
        [.. Split(source, prefix, files, open).Select(v => UploadPlanner.Judge(source.Complete, prefix, v, content, now))];

    public static IReadOnlyList<VersionFiles> Split(SourceSpec source, string prefix, IReadOnlyList<StoredObject> files, IReadOnlyList<OpenUpload> open) =>
        UploadPlanner.Split(source.Complete, UploadPlanner.Layout(source, null), prefix, files, open);
}
