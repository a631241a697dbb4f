namespace Prewarm.Tests.Scenarios;

/// <summary>The checkout that the tests were built from.</summary>
internal static class Checkout
{
    /// <summary>The folder that holds Functions.sln.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Functions.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("Functions.sln is in no folder above the tests");
        }

        return folder;
    }
}
