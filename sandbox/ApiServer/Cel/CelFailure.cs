namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>A rule that cannot be compiled: it is refused with its CRD.</summary>
/// <param name="offset">Where in the rule, characters from 0.</param>
internal sealed class CelCompileException(int offset, string message) : Exception(message)
{
    /// <summary>As cel-go words it: line and column, the rule, and a caret below.</summary>
    public string Describe(string rule)
    {
        var before = rule[..Math.Min(offset, rule.Length)];
        var line = before.Count(c => c == '\n') + 1;
        var column = before.Length - before.LastIndexOf('\n') - 1;
        return $"compilation failed: ERROR: <input>:{line}:{column + 1}: {Message}\n | {rule.Split('\n')[line - 1]}\n | {new string('.', column)}^";
    }
}

/// <summary>A rule that cannot be evaluated on an object: the object is refused.</summary>
internal sealed class CelEvaluationException(string message) : Exception(message);
