using Prewarm.Functions.Catalog;
using Xunit;

namespace Prewarm.Tests.Unit;

public class SourceLocationTests
{
    [Theory]
    [InlineData("oss://fluid-demo/models/bloom", "fluid-demo", "models/bloom/")]
    [InlineData("oss://fluid-demo/models/bloom/", "fluid-demo", "models/bloom/")]
    [InlineData("oss://b", "b", "")]
    public void Parse_OssUri_BucketAndPrefix(string uri, string bucket, string prefix) =>
        Assert.Equal(new SourceLocation(bucket, prefix), SourceLocation.Parse(uri));

    [Theory]
    [InlineData("s3://b/p")]
    [InlineData("oss:///p")]
    [InlineData(null)]
    public void Parse_AnythingElse_Null(string? uri) => Assert.Null(SourceLocation.Parse(uri));
}
