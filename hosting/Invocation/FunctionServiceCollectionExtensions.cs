using System.Diagnostics.CodeAnalysis;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Invocation;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers function classes. The worker's source generator finds them by itself; here naming them keeps the app trimmable.</summary>
public static class FunctionServiceCollectionExtensions
{
    /// <summary>Registers the [Function] methods of <typeparamref name="T"/>. A fresh <typeparamref name="T"/> is made for each
    /// invocation, unless it has been registered otherwise before.</summary>
    /// <exception cref="InvalidOperationException">A method has a parameter or return type that cannot be bound.</exception>
    public static IServiceCollection AddFunction<[DynamicallyAccessedMembers(
        DynamicallyAccessedMemberTypes.PublicMethods | DynamicallyAccessedMemberTypes.PublicConstructors)] T>(this IServiceCollection services)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddTransient<T>();
        foreach (var function in FunctionDescriptor.Of(typeof(T)))
        {
            services.AddSingleton(function);
        }

        return services;
    }

    /// <summary>FUNCTIONS with <paramref name="name"/> in it serves those of <paramref name="with"/> too.</summary>
    public static IServiceCollection AddFunctionGroup(this IServiceCollection services, string name, params string[] with)
        => services.AddSingleton(new FunctionGroup(name, with));

    internal static IReadOnlyList<FunctionGroup> GetFunctionGroups(this IServiceCollection services)
        => [.. services.Select(s => s.ImplementationInstance).OfType<FunctionGroup>()];

    /// <summary>The functions registered so far, by name: what <see cref="FunctionJson"/> writes.</summary>
    public static IReadOnlyList<FunctionDescriptor> GetFunctions(this IServiceCollection services)
        => [.. services.Where(s => s.ServiceType == typeof(FunctionDescriptor))
            .Select(s => s.ImplementationInstance)
            .OfType<FunctionDescriptor>()
            .OrderBy(f => f.Name, StringComparer.Ordinal)];

    /// <summary>Writes <c>DIR/FUNCTION/function.json</c> for each function registered so far.</summary>
    public static void WriteFunctionJson(this IServiceCollection services, string directory)
        => FunctionJson.WriteAll(services.GetFunctions(), directory);
}
