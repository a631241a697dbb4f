// Planted violations: types of this test assembly under the rooms' namespaces, each hiding its wrong use in another place.
namespace Prewarm.Functions.Upload
{
    internal abstract class SignatureSpecimen
    {
        public abstract global::Prewarm.Functions.Pipeline.LineOutcome Look();
    }

    internal static class BodySpecimen
    {
        public static string Look() => global::Prewarm.Functions.Pipeline.VersionState.Warm.Length + nameof(BodySpecimen) + global::Prewarm.Functions.Pipeline.Conditions.Seconds(default);
    }
}

namespace Prewarm.Functions.Warm
{
    internal static class LambdaSpecimen
    {
        public static Func<object> Open() => static () => new Amazon.S3.Model.ListObjectsV2Request();
    }
}

namespace Prewarm.Functions.Events
{
    internal static class GenericSpecimen
    {
        public static List<object> Routes() => [new List<Yarp.ReverseProxy.Forwarder.ForwarderRequestConfig>()];
    }
}

namespace Prewarm.Functions.Catalog
{
    internal static class AsyncSpecimen
    {
        public static async Task<bool> AskAsync()
        {
            await Task.Yield();
            return k8s.KubernetesClientConfiguration.IsInCluster();
        }
    }
}

namespace Prewarm.Functions.Relay
{
    internal sealed class CallSpecimen(global::Prewarm.Functions.Kubernetes.IKubeApi api)
    {
        public global::Prewarm.Functions.Kubernetes.IKubeApi Api => api;
    }
}

namespace Prewarm.Functions.Cellar
{
    internal static class CellarSpecimen
    {
        public static System.Text.StringBuilder Store() => new();
    }
}
