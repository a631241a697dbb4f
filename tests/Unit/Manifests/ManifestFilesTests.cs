using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>The files by themselves, without any tool.</summary>
public sealed class ManifestFilesTests
{
    [Fact]
    public void Files_All_AreObjectsWithKindAndName()
    {
        var files = ManifestFolder.Files("*.yaml").ToList();
        Assert.True(files.Count > 40);
        foreach (var file in files)
        {
            var objects = ManifestFolder.Objects(file).ToList();
            Assert.True(objects.Count > 0, $"{file} holds no object");
            Assert.All(objects, o => Assert.False(string.IsNullOrEmpty(o.Text("apiVersion")) || string.IsNullOrEmpty(o.Text("kind")), file));
            Assert.All(objects.Where(o => o.Kind() != "Kustomization"), o => Assert.False(string.IsNullOrEmpty(o.Text("metadata", "name")), file));
        }
    }

    [Fact]
    public void Files_All_AreTakenUpByTheirKustomization()
    {
        foreach (var folder in ManifestFolder.Kustomizations)
        {
            var kustomization = ManifestFolder.Read($"{folder}/kustomization.yaml");
            foreach (var file in Directory.EnumerateFiles(Path.Combine(ManifestFolder.Root, folder)).Select(f => Path.GetFileName(f)!).Where(f => f is not "kustomization.yaml"))
            {
                Assert.True(kustomization.Contains(file, StringComparison.Ordinal), $"{folder}/{file} is in no list of its kustomization");
            }
        }
    }

    [Fact]
    public void ExternalUploadEvents_ShippedSwitchedOff() => Assert.All(ManifestFolder.Kustomizations,
        k => Assert.DoesNotContain("optional", ManifestFolder.Read($"{k}/kustomization.yaml").Split("resources:")[^1], StringComparison.Ordinal));
}
