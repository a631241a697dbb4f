namespace Microsoft.Azure.Functions.Worker.Builder;

/// <summary>Starting point of a functions app.</summary>
public static class FunctionsApplication
{
    /// <summary>A builder with the usual configuration: appsettings.json, environment variables, <paramref name="args"/>.</summary>
    public static FunctionsApplicationBuilder CreateBuilder(string[] args) => new(args);
}
