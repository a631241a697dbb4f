using System.Globalization;

namespace Prewarm.Tests.Benchmarks.Running;

/// <summary>Options as <c>--name value</c>.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <param name="known">The options' names, without dashes.</param>
    /// <exception cref="ArgumentException">An option is not known, or has no value: measuring takes minutes, and something else than was meant.</exception>
    public Arguments(IReadOnlyList<string> words, IEnumerable<string> known)
    {
        for (var i = 0; i < words.Count; i += 2)
        {
            if (!words[i].StartsWith("--", StringComparison.Ordinal) || !known.Contains(words[i][2..], StringComparer.Ordinal))
            {
                throw new ArgumentException($"{words[i]} is no option here: --help names those that are");
            }

            _values[words[i][2..]] = i + 1 < words.Count ? words[i + 1] : throw new ArgumentException($"{words[i]} has no value: write {words[i]} VALUE");
        }
    }

    /// <summary>The option's value, or null when it is not given.</summary>
    public string? Text(string name) => _values.GetValueOrDefault(name);

    public int Number(string name, int otherwise) => (int)Real(name, otherwise);

    public double Real(string name, double otherwise) =>
        Text(name) is not { } text ? otherwise
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= 0 ? number
        : throw new ArgumentException($"--{name} is '{text}': write a number, 0 or larger");
}
