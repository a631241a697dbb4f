namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Takes the place of hosting's registration when the app is compiled against Microsoft's worker packages
/// (-p:UseAzureFunctionsWorker=true): their source generator finds the functions by itself.</summary>
internal static class FunctionServiceCollectionExtensions
{
    public static IServiceCollection AddFunction<T>(this IServiceCollection services)
        where T : class
        => services;

    public static IServiceCollection AddFunctionGroup(this IServiceCollection services, string name, params string[] with)
        => services;

    public static void WriteFunctionJson(this IServiceCollection services, string directory)
        => throw new NotSupportedException("the worker's SDK writes functions.metadata at build; function.json is for a custom handler");
}
