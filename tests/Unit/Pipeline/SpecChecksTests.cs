using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>Each value that cannot work, and the exact words about it.</summary>
public sealed class SpecChecksTests
{
    private const string Fine = """{"source":{"uri":"oss://b/models/bloom","endpoint":"oss-cn-hangzhou-internal.aliyuncs.com"}}""";

    [Theory]
    [InlineData("source.uri", "\"\"", "InvalidSource", "spec.source.uri is '': write oss://<bucket>/<prefix>")]
    [InlineData("source.uri", "\"s3://b/m\"", "InvalidSource", "spec.source.uri is 's3://b/m': write oss://<bucket>/<prefix>")]
    [InlineData("source.uri", "\"oss:///m\"", "InvalidSource", "spec.source.uri is 'oss:///m': write oss://<bucket>/<prefix>")]
    [InlineData("source.uri", "\"oss://b:80/m\"", "InvalidSource", "spec.source.uri is 'oss://b:80/m': a bucket's name has letters, digits, '-', '.' and '_' only: write oss://<bucket>/<prefix>")]
    [InlineData("source.uri", "\"oss://b//m\"", "InvalidSource", "spec.source.uri is 'oss://b//m': it has an empty folder name, which Fluid cannot mount: write one '/' between folders")]
    [InlineData("source.uri", "\"oss://b/my models\"", "InvalidSource", "spec.source.uri is 'oss://b/my models': its prefix holds a blank, which Fluid cannot mount: upload to another prefix and name that")]
    [InlineData("source.uri", "\"oss://b/m/../n\"", "InvalidSource", "spec.source.uri is 'oss://b/m/../n': its prefix has an empty, '.' or '..' folder name, which Fluid cannot mount: upload to another prefix and name that")]
    [InlineData("source.uri", "\"oss://b/m\\u001b[2J\"", "InvalidSource", "spec.source.uri is 'oss://b/m\\u001B[2J': its prefix holds a control character, which Fluid cannot mount: upload to another prefix and name that")]
    [InlineData("source.endpoint", "\"\"", "InvalidEndpoint", "spec.source.endpoint is '': write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store without a path")]
    [InlineData("source.endpoint", "\"no host\"", "InvalidEndpoint", "spec.source.endpoint is 'no host': write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store without a path")]
    [InlineData("source.endpoint", "\"ftp://store\"", "InvalidEndpoint", "spec.source.endpoint is 'ftp://store': write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store without a path")]
    [InlineData("source.endpoint", "\"http://store:9000/bucket\"", "InvalidEndpoint", "spec.source.endpoint is 'http://store:9000/bucket': write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store without a path")]
    [InlineData("source.endpoint", "\"http://store:99999\"", "InvalidEndpoint", "spec.source.endpoint is 'http://store:99999': write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store without a path")]
    [InlineData("source.endpoint", "\"http://me:secret@store\"", "InvalidEndpoint", "spec.source.endpoint is 'http://me:secret@store': write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store without a path")]
    [InlineData("source.endpoint", "\"b.oss-cn-hangzhou.aliyuncs.com\"", "InvalidEndpoint", "spec.source.endpoint is 'b.oss-cn-hangzhou.aliyuncs.com': it begins with the bucket, which spec.source.uri names already: write oss-cn-hangzhou.aliyuncs.com")]
    [InlineData("source.credentialsSecret", "\"../secrets\"", "InvalidName", "spec.source.credentialsSecret is '../secrets': no Secret can have that name: write the name of one in the model's namespace")]
    [InlineData("source.versions", "\"Sometimes\"", "UnknownValue", "spec.source.versions is 'Sometimes': write Auto, Folders or Flat")]
    [InlineData("source.complete.when", "\"soon\"", "UnknownValue", "spec.source.complete.when is 'soon': write Auto, Marker, Index, Manifest or Quiet")]
    [InlineData("source.complete.marker", "\"\"", "InvalidMarker", "spec.source.complete.marker is '': write a file name, such as _SUCCESS")]
    [InlineData("source.complete.quietSeconds", "0", "OutOfBounds", "spec.source.complete.quietSeconds is 0: write 1 to 86400")]
    [InlineData("source.complete.quietSeconds", "2000000000", "OutOfBounds", "spec.source.complete.quietSeconds is 2000000000: write 1 to 86400")]
    [InlineData("source.complete.stalledAfterMinutes", "-1", "OutOfBounds", "spec.source.complete.stalledAfterMinutes is -1: write 1 to 10080")]
    [InlineData("cache.replicas", "0", "OutOfBounds", "spec.cache.replicas is 0: write 1 to 1000")]
    [InlineData("cache.replicas", "1000000", "OutOfBounds", "spec.cache.replicas is 1000000: write 1 to 1000")]
    [InlineData("cache.copies", "0", "OutOfBounds", "spec.cache.copies is 0: write 1 to 1000")]
    [InlineData("cache.copies", "3", "OutOfBounds", "spec.cache.copies is 3: no more copies than workers can exist, and spec.cache.replicas is 2: lower copies or raise replicas")]
    [InlineData("cache.proof", "\"maybe\"", "UnknownValue", "spec.cache.proof is 'maybe': write require or prefer")]
    [InlineData("cache.locality", "\"near\"", "UnknownValue", "spec.cache.locality is 'near': write require, prefer or ignore")]
    [InlineData("cache.localityTimeoutSeconds", "-1", "OutOfBounds", "spec.cache.localityTimeoutSeconds is -1: write 0 to 86400")]
    [InlineData("cache.warmTimeoutSeconds", "0", "OutOfBounds", "spec.cache.warmTimeoutSeconds is 0: write 1 to 86400")]
    [InlineData("cache.keepVersions", "0", "OutOfBounds", "spec.cache.keepVersions is 0: write 1 to 20")]
    [InlineData("cache.tier.medium", "\"NVMe\"", "UnknownValue", "spec.cache.tier.medium is 'NVMe': write MEM, SSD or HDD")]
    [InlineData("cache.tier.volumeType", "\"pvc\"", "UnknownValue", "spec.cache.tier.volumeType is 'pvc': write hostPath or emptyDir")]
    [InlineData("cache.tier.path", "\"cache\"", "InvalidPath", "spec.cache.tier.path is 'cache': write an absolute path without blanks, such as /mnt/ssd0/cache")]
    [InlineData("cache.tier.quota", "\"50K\"", "InvalidQuota", "spec.cache.tier.quota is '50K': write a quantity of bytes above 0, such as 50Gi")]
    [InlineData("cache.tier.quota", "\"much\"", "InvalidQuota", "spec.cache.tier.quota is 'much': write a quantity of bytes above 0, such as 50Gi")]
    [InlineData("cache.tier.quota", "\"0\"", "InvalidQuota", "spec.cache.tier.quota is '0': write a quantity of bytes above 0, such as 50Gi")]
    [InlineData("cache.tier.high", "\"95\"", "OutOfBounds", "spec.cache.tier.high is '95': write a share above 0 and up to 1, such as \"0.95\"")]
    [InlineData("cache.tier.low", "\"NaN\"", "OutOfBounds", "spec.cache.tier.low is 'NaN': write a share from 0 to 1, such as \"0.7\"")]
    [InlineData("cache.tier.low", "\"0.99\"", "OutOfBounds", "spec.cache.tier.low is '0.99': eviction begins at high and ends at low, and spec.cache.tier.high is '0.95': write a lower one")]
    [InlineData("cache.existingDataset", "{\"name\":\"\"}", "InvalidName", "spec.cache.existingDataset.name is '': no Dataset can have that name: write the name of one in the model's namespace, or remove existingDataset")]
    [InlineData("cache.existingDataset", "{\"name\":\"a/b\"}", "InvalidName", "spec.cache.existingDataset.name is 'a/b': no Dataset can have that name: write the name of one in the model's namespace, or remove existingDataset")]
    [InlineData("cache.existingDataset", "{\"name\":\"a\",\"path\":\"/x:y\"}", "InvalidPath", "spec.cache.existingDataset.path is '/x:y': it holds ':', which Fluid cannot load: write the path below the Dataset's mount that holds the versions")]
    [InlineData("serving.name", "\"Bloom\"", "InvalidName", "spec.serving.name is 'Bloom': Knative makes host names of it: write at most 40 of a-z, 0-9 and '-', beginning with a letter and not ending with '-'")]
    [InlineData("serving.name", "\"1-bloom\"", "InvalidName", "spec.serving.name is '1-bloom': Knative makes host names of it: write at most 40 of a-z, 0-9 and '-', beginning with a letter and not ending with '-'")]
    [InlineData("serving.name", "\"a23456789-123456789-123456789-123456789-1\"", "InvalidName", "spec.serving.name is 'a23456789-123456789-123456789-123456789-1': Knative makes host names of it: write at most 40 of a-z, 0-9 and '-', beginning with a letter and not ending with '-'")]
    [InlineData("serving.modelName", "\"facebook/opt\"", "InvalidName", "spec.serving.modelName is 'facebook/opt': it is the {model} of /v1/models/{model}:predict: write at most 253 letters, digits, '-', '_' and '.'")]
    [InlineData("serving.platform", "\"GKE\"", "UnknownValue", "spec.serving.platform is 'GKE': write ACK or ACKServerless")]
    [InlineData("serving.affinity", "\"hard\"", "UnknownValue", "spec.serving.affinity is 'hard': write required, preferred or off")]
    [InlineData("serving.predictor", "{\"timeout\":-5}", "InvalidPredictor", "spec.serving.predictor.timeout is -5: write whole seconds above 0; Knative's own limit is 600 unless max-revision-timeout-seconds says more")]
    [InlineData("serving.predictor", "{\"timeout\":\"600\"}", "InvalidPredictor", "spec.serving.predictor.timeout is \"600\": write whole seconds above 0; Knative's own limit is 600 unless max-revision-timeout-seconds says more")]
    [InlineData("serving.predictor", "{\"minReplicas\":-1}", "InvalidPredictor", "spec.serving.predictor.minReplicas is -1: write a whole number, 0 or more")]
    [InlineData("serving.predictor", "{\"minReplicas\":3,\"maxReplicas\":2}", "InvalidPredictor", "spec.serving.predictor.minReplicas is 3: it is above maxReplicas, which is 2: lower it")]
    [InlineData("serving.predictor", "{\"containers\":{}}", "InvalidPredictor", "spec.serving.predictor.containers is {}: write a list of containers")]
    [InlineData("serving.predictor", "{\"containers\":[1]}", "InvalidPredictor", "spec.serving.predictor.containers is [1]: write a list of containers")]
    [InlineData("serving.predictor", "{\"containers\":[{\"env\":[{\"name\":7}]}]}", "InvalidPredictor", "spec.serving.predictor.containers[0].env is [{\"name\":7}]: write a list of name and value")]
    [InlineData("serving.predictor", "{\"containers\":[{\"resources\":[]}]}", "InvalidPredictor", "spec.serving.predictor.containers[0].resources is []: write limits and requests, each with names and quantities")]
    [InlineData("rollout.readyTimeoutSeconds", "0", "OutOfBounds", "spec.rollout.readyTimeoutSeconds is 0: write 1 to 86400")]
    [InlineData("rollout.goldenTimeoutSeconds", "99999", "OutOfBounds", "spec.rollout.goldenTimeoutSeconds is 99999: write 1 to 3600")]
    public void Of_OneBadValue_ItsFieldValueAndFix(string field, string value, string reason, string message)
    {
        var fault = Assert.Single(SpecChecks.Of(Model(field, value)));
        Assert.Equal((reason, message), (fault.Reason, fault.Message));
    }

    [Theory]
    [InlineData("source.uri", "\"oss://b\"")]
    [InlineData("source.uri", "\"oss://b/模型/ünï+%41&(1)\"")]
    [InlineData("source.endpoint", "\"http://[::1]:9000\"")]
    [InlineData("source.endpoint", "\"https://minio.store.svc:9000/\"")]
    [InlineData("source.endpoint", "\"rgw_1:7480\"")]
    [InlineData("source.credentialsSecret", "\"\"")]
    [InlineData("cache", "null")]
    [InlineData("cache", "{\"tier\":null,\"proof\":null,\"copies\":null,\"existingDataset\":null}")]
    [InlineData("cache.copies", "2")]
    [InlineData("cache.tier.quota", "\"1e9\"")]
    [InlineData("cache.tier.quota", "\"1.5Ti\"")]
    [InlineData("cache.tier.path", "\"/mnt/ssd0,/mnt/ssd1\"")]
    [InlineData("cache.existingDataset", "{\"name\":\"oss-data\",\"path\":\"/\"}")]
    [InlineData("serving.name", "\"a23456789-123456789-123456789-123456789\"")]
    [InlineData("serving.modelName", "\"bloom_7.1-模型\"")]
    [InlineData("serving.predictor", "{\"timeout\":600.0,\"minReplicas\":0,\"maxReplicas\":0,\"containers\":[{\"name\":\"kserve-container\",\"env\":[{\"name\":\"A\"}],\"resources\":{}}]}")]
    public void Of_ValueThatWorks_Nothing(string field, string value) => Assert.Empty(SpecChecks.Of(Model(field, value)));

    [Fact]
    public void Of_NoSpecAtAll_SaysWhatToWrite() =>
        Assert.Equal("spec.source.uri is missing: write oss://<bucket>/<prefix>", Assert.Single(SpecChecks.Of(new() { Metadata = new() { Name = "m" } })).Message);

    [Fact]
    public void Sum_ManyFaults_TellsFiveAndCountsTheRest()
    {
        var model = Model("cache", """{"replicas":0,"proof":"x","keepVersions":0,"warmTimeoutSeconds":0,"tier":{"medium":"x","volumeType":"x","path":"x"}}""");
        var (reason, message) = SpecFault.Sum(SpecChecks.Of(model));
        Assert.Equal("OutOfBounds", reason);
        Assert.Contains("spec.cache.replicas is 0: write 1 to 1000; spec.cache.proof is 'x': write require or prefer; ", message, StringComparison.Ordinal);
        Assert.EndsWith("; and 2 more", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1 << 20, "10Ki", 2, null, "at least 1078Ki each")]
    [InlineData(1 << 20, "1Mi", 2, null, "at least 1078Ki each")]
    [InlineData(1 << 20, "2Mi", 2, null, null)]
    [InlineData(1 << 20, "600Ki", 2, 1, null)]
    [InlineData(1L << 40, "50Gi", 4, 2, "at least 539Gi each")]
    public void TooSmall_CopiesAgainstAllWorkers_SaysWhatWouldDo(long bytes, string quota, int replicas, int? copies, string? expected)
    {
        var model = Model("cache", $$"""{"replicas":{{replicas}},"copies":{{copies?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null"}},"tier":{"quota":"{{quota}}"} }""");
        var fault = SpecChecks.TooSmall(model, new() { Name = "v1", Bytes = bytes });
        Assert.Equal(expected is null, fault is null);
        if (fault is not null)
        {
            Assert.Equal(("QuotaTooSmall", "spec.cache.tier.quota", $"'{quota}'"), (fault.Reason, fault.Field, fault.Value));
            Assert.Contains(expected!, fault.Fix, StringComparison.Ordinal);
        }
    }

    internal static CachedModel Model(string field, string value)
    {
        var spec = JsonNode.Parse(Fine)!.AsObject();
        var at = spec;
        foreach (var part in field.Split('.')[..^1])
        {
            at[part] ??= new JsonObject();
            at = at[part]!.AsObject();
        }

        at[field.Split('.')[^1]] = JsonNode.Parse(value);
        var json = new JsonObject { ["metadata"] = new JsonObject { ["name"] = "bloom", ["namespace"] = "demo" }, ["spec"] = spec };
        return System.Text.Json.JsonSerializer.Deserialize(json.ToJsonString(), CatalogKinds.CachedModels.Json)!;
    }
}
