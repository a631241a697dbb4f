using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>What a spec asks for that the cluster cannot give as it is now: taken names, a missing Dataset. Pure.</summary>
internal static class ClusterChecks
{
    public const string ServiceNameClaimed = "ServiceNameClaimed";
    public const string PrefixClaimed = "PrefixClaimed";
    public const string DatasetMissing = "DatasetMissing";

    // Predictors on several nodes mount the one volume.
    private static readonly string[] Shared = ["ReadOnlyMany", "ReadWriteMany"];

    public static IReadOnlyList<SpecFault> Of(Observed observed)
    {
        var model = observed.Model;
        var faults = new List<SpecFault>();
        // A service that is ours was ours before anybody else asked for its name.
        if (observed.Claim is { } claim && (claim.Reason != ServiceNameClaimed || observed.Service is null))
        {
            faults.Add(claim);
        }

        if (model.Spec!.Cache.ExistingDataset is { } existing)
        {
            faults.AddRange(Adopted(observed, existing.Name));
        }

        if (observed.Service is { } service && Ownership.Foreign(model, service.Metadata))
        {
            faults.Add(SpecFault.Text("ForeignObject", "spec.serving.name", model.ServiceName(),
                $"InferenceService {service.Metadata.Name} exists and is not this model's: set spec.serving.name to another name, or delete it"));
        }

        return faults;
    }

    private static IEnumerable<SpecFault> Adopted(Observed observed, string name)
    {
        const string field = "spec.cache.existingDataset.name";
        if (observed.Adopted is not { } dataset)
        {
            yield return SpecFault.Text(DatasetMissing, field, name, $"there is no such Dataset in namespace {observed.Model.Metadata.Namespace}: make it, correct the name, or remove existingDataset to have one made");
            yield break;
        }

        if (Ownership.Owns(observed.Model, dataset.Metadata))
        {
            yield return SpecFault.Text("OwnDataset", field, name, "it was made for this model and may be deleted with its version: name another one, or remove existingDataset");
        }

        // The real CRDs take any text for both.
        if (dataset.Spec?.AccessModes is { Count: > 0 } modes && !modes.Exists(m => Shared.Contains(m, StringComparer.Ordinal)))
        {
            yield return SpecFault.Text("UnusableDataset", field, name, $"its accessModes are {ObjectKeys.List(modes)}, and predictors on several nodes read it: give the Dataset ReadOnlyMany");
        }

        if (observed.AdoptedRuntime?.Spec?.Fuse?.CleanPolicy is { Length: > 0 } policy and not ("OnDemand" or "OnRuntimeDeleted"))
        {
            yield return SpecFault.Text("UnusableDataset", field, name, $"its JindoRuntime's fuse.cleanPolicy is {ObjectKeys.Printable(policy)}, which Fluid does not know: write OnDemand or OnRuntimeDeleted there");
        }
    }
}
