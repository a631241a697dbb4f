using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>Operators and functions on values: long, double, string, bool, null, a list or a dictionary.</summary>
internal static class CelFunctions
{
    private static readonly HashSet<string> All =
    [
        "_&&_", "_||_", "!_", "-_", "_?_:_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_+_", "_-_", "_*_", "_/_", "_%_", "@in",
        "size", "startsWith", "endsWith", "contains", "matches", "int", "double", "string",
    ];

    public static bool Known(string function) => All.Contains(function);

    /// <param name="arguments">The target first, where there is one.</param>
    /// <exception cref="CelEvaluationException">Overflow, division by zero, a text that is no number, or an overload that only the value shows to be missing.</exception>
    public static object? Call(string function, object?[] arguments)
    {
        try
        {
            return (function, arguments) switch
            {
                ("!_", [bool a]) => !a,
                ("-_", [long a]) => checked(-a),
                ("-_", [double a]) => -a,
                ("_==_", [var a, var b]) => Equal(a, b),
                ("_!=_", [var a, var b]) => !Equal(a, b),
                ("_<_", [var a, var b]) => Compare(a, b) is { } c ? c < 0 : Unordered(a, b),
                ("_<=_", [var a, var b]) => Compare(a, b) is { } c ? c <= 0 : Unordered(a, b),
                ("_>_", [var a, var b]) => Compare(a, b) is { } c ? c > 0 : Unordered(a, b),
                ("_>=_", [var a, var b]) => Compare(a, b) is { } c ? c >= 0 : Unordered(a, b),
                ("_+_", [long a, long b]) => checked(a + b),
                ("_+_", [double a, double b]) => a + b,
                ("_+_", [string a, string b]) => a + b,
                ("_+_", [List<object?> a, List<object?> b]) => new List<object?>([.. a, .. b]),
                ("_-_", [long a, long b]) => checked(a - b),
                ("_-_", [double a, double b]) => a - b,
                ("_*_", [long a, long b]) => checked(a * b),
                ("_*_", [double a, double b]) => a * b,
                ("_/_", [double a, double b]) => a / b,
                ("_/_", [long, 0L]) => throw new CelEvaluationException("division by zero"),
                ("_/_", [long a, long b]) => checked(a / b),
                ("_%_", [long, 0L]) => throw new CelEvaluationException("modulus by zero"),
                ("_%_", [long a, long b]) => b == -1 ? 0L : a % b,
                ("@in", [var a, List<object?> list]) => list.Exists(i => Equal(a, i)),
                ("@in", [string a, Dictionary<string, object?> map]) => map.ContainsKey(a),
                ("size", [string a]) => (long)a.EnumerateRunes().Count(),
                ("size", [List<object?> a]) => (long)a.Count,
                ("size", [Dictionary<string, object?> a]) => (long)a.Count,
                ("startsWith", [string a, string b]) => a.StartsWith(b, StringComparison.Ordinal),
                ("endsWith", [string a, string b]) => a.EndsWith(b, StringComparison.Ordinal),
                ("contains", [string a, string b]) => a.Contains(b, StringComparison.Ordinal),
                ("matches", [string a, string b]) => Pattern(b).IsMatch(a),
                ("int", [long a]) => a,
                ("int", [double a]) => Whole(a),
                ("int", [string a]) => long.TryParse(a, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw NoNumber(a),
                ("double", [double a]) => a,
                ("double", [long a]) => (double)a,
                ("double", [string a]) => double.TryParse(a, NumberStyles.Float & ~NumberStyles.AllowLeadingWhite & ~NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var number) ? number : throw NoNumber(a),
                ("string", [string a]) => a,
                ("string", [long a]) => a.ToString(CultureInfo.InvariantCulture),
                ("string", [double a]) => a.ToString("R", CultureInfo.InvariantCulture),
                ("string", [bool a]) => a ? "true" : "false",
                _ => throw NoOverload(),
            };
        }
        catch (OverflowException)
        {
            throw new CelEvaluationException("integer overflow");
        }
    }

    /// <summary>RE2 has neither backreferences nor look-around, and its time is bounded; so has this.</summary>
    public static Regex Pattern(string pattern)
    {
        try
        {
            return new(pattern, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new CelEvaluationException($"error parsing regexp: {e.Message}");
        }
    }

    public static CelEvaluationException NoOverload() => new("no such overload");

    private static long Whole(double value) => double.IsNaN(value) || value is < -9.2233720368547748e18 or >= 9.2233720368547758e18 ? throw new CelEvaluationException("range error converting to int") : (long)value;

    private static CelEvaluationException NoNumber(string text) => new($"strconv: parsing \"{text}\": invalid syntax");

    // NaN is neither less nor more; other values that cannot be compared have no overload.
    private static bool Unordered(object? a, object? b) => a is long or double && b is long or double ? false : throw NoOverload();

    private static int? Compare(object? a, object? b) => (a, b) switch
    {
        (long x, long y) => x.CompareTo(y),
        (long or double, long or double) => Numbers(Convert.ToDouble(a, CultureInfo.InvariantCulture), Convert.ToDouble(b, CultureInfo.InvariantCulture)),
        // By code point, as Go compares UTF-8; .NET would compare UTF-16.
        (string x, string y) => Encoding.UTF8.GetBytes(x).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(y)),
        (bool x, bool y) => x.CompareTo(y),
        _ => null,
    };

    private static int? Numbers(double a, double b) => double.IsNaN(a) || double.IsNaN(b) ? null : a.CompareTo(b);

    private static bool Equal(object? a, object? b) => (a, b) switch
    {
        (null, null) => true,
        (long or double, long or double) => Compare(a, b) == 0,
        (List<object?> x, List<object?> y) => x.Count == y.Count && x.Zip(y).All(p => Equal(p.First, p.Second)),
        (Dictionary<string, object?> x, Dictionary<string, object?> y) => x.Count == y.Count && x.All(p => y.TryGetValue(p.Key, out var other) && Equal(p.Value, other)),
        _ => Equals(a, b),
    };
}
