using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Operate;
using Xunit;

namespace Prewarm.Tests.Unit.Operate;

/// <summary>What a constructor asks for is registered with its type said: whatever is left to ILogger&lt;&gt; and IOptions&lt;&gt; costs every start.</summary>
public class ClosedServicesTests
{
    public static TheoryData<Type> Asked => [.. typeof(ClosedServices).Assembly.GetTypes().Where(t => !t.ContainsGenericParameters)
        .SelectMany(t => t.GetConstructors().SelectMany(c => c.GetParameters()).Select(p => p.ParameterType))
        .Where(t => t.IsGenericType && (t.GetGenericTypeDefinition() == typeof(ILogger<>) || t.GetGenericTypeDefinition() == typeof(IOptions<>))).Distinct()];

    [Theory]
    [MemberData(nameof(Asked))]
    public void LoggerOrOptions_OfOurs_IsRegisteredWithItsType(Type service) =>
        Assert.Contains(new ServiceCollection().AddClosed(), s => s.ServiceType == service);
}
