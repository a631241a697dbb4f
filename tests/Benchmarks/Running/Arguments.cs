using System.Globalization;

namespace Prewarm.Tests.Benchmarks.Running;

/// <summary>Options as <c>--name value</c>.</summary>
internal sealed class Arguments(IReadOnlyList<string> words)
{
    /// <summary>The option's value, or null when it is not given.</summary>
    public string? Text(string name)
    {
        for (var i = 0; i + 1 < words.Count; i++)
        {
            if (words[i] == $"--{name}")
            {
                return words[i + 1];
            }
        }

        return null;
    }

    public int Number(string name, int otherwise) => Text(name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
