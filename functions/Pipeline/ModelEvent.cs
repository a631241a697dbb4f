using System.Security.Cryptography;
using System.Text;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Pipeline;

/// <summary>A core/v1 Event about a CachedModel. Its name follows from what it is about, so that several who tell the same tell it once.</summary>
internal static class ModelEvent
{
    private const int MaxMessage = 1024;

    /// <summary>Of a model's name: with dot and hash an Event's name has at most 253 characters.</summary>
    private const int MaxName = 236;

    /// <param name="identity">What makes it the same Event of the model.</param>
    public static CoreEvent Of(CachedModel model, string identity, string reason, string message, bool warning, DateTimeOffset now)
    {
        var name = model.Metadata.Name!;
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{model.Metadata.Uid}\n{identity}")))[..16];
        var at = Conditions.Seconds(now);
        return new()
        {
            Metadata = new() { Name = $"{(name.Length <= MaxName ? name : name[..MaxName].TrimEnd('-', '.'))}.{hash}", Namespace = model.Metadata.Namespace },
            InvolvedObject = new()
            {
                ApiVersion = CatalogKinds.CachedModels.ApiVersion,
                Kind = CatalogKinds.CachedModels.Kind,
                Namespace = model.Metadata.Namespace,
                Name = name,
                Uid = model.Metadata.Uid,
            },
            Reason = reason,
            Message = message.Length > MaxMessage ? message[..(MaxMessage - 1)] + "…" : message,
            Type = warning ? "Warning" : "Normal",
            Source = new() { Component = "prewarm" },
            FirstTimestamp = at,
            LastTimestamp = at,
            Count = 1,
        };
    }
}
