using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>One entry of <c>x-kubernetes-validations</c> (apiextensions/v1, ValidationRule).</summary>
/// <param name="FieldPath">Below where the rule stands, such as <c>.copies</c>.</param>
internal sealed record CelRule(string Rule, string? Message, string? Reason, string? FieldPath, CelProgram Program, CelProgram? Telling)
{
    private static readonly string[] Reasons = ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"];

    private static readonly string[] Fields = ["rule", "message", "messageExpression", "reason", "fieldPath"];

    /// <summary>Compiles a rule; null after saying in <paramref name="problems"/> why it cannot be.</summary>
    /// <param name="at">Path of the entry in the CRD.</param>
    /// <param name="uncorrelated">The path of the list in which old and new cannot be told apart; null outside of one.</param>
    public static CelRule? Compile(JsonObject entry, JsonObject schema, CelType self, string at, string? uncorrelated, List<string> problems)
    {
        var before = problems.Count;
        string? Text(string name) => entry[name] is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0 ? text : null;
        var (rule, message, reason, path) = (Text("rule")?.Trim(), Text("message"), Text("reason"), Text("fieldPath"));
        problems.AddRange(entry.Select(p => p.Key).Where(k => !Fields.Contains(k, StringComparer.Ordinal)).Select(k => $"{at}.{k}: Forbidden: not supported by this API server"));
        if (rule is null)
        {
            problems.Add($"{at}.rule: Required value: rule is not specified");
        }

        if (message?.Contains('\n') == true)
        {
            problems.Add($"{at}.message: Invalid value: {Quoted(message)}: message must not contain line breaks");
        }

        if (message is null && rule?.Contains('\n') == true)
        {
            problems.Add($"{at}.message: Required value: message must be specified if rule contains line breaks");
        }

        if (reason is not null && !Reasons.Contains(reason, StringComparer.Ordinal))
        {
            problems.Add($"{at}.reason: Unsupported value: {Quoted(reason)}: supported values: {string.Join(", ", Reasons.Select(Quoted))}");
        }

        if (path is not null && Missing(path, schema) is { } why)
        {
            problems.Add($"{at}.fieldPath: Invalid value: {Quoted(path)}: fieldPath must be a valid path: {why}");
        }

        var program = rule is null ? null : Compile(rule, self, CelType.Bool, "cel expression must evaluate to a bool", $"{at}.rule", entry, problems);
        if (program?.UsesOldSelf == true && uncorrelated is not null)
        {
            problems.Add($"{at}.rule: Invalid value: {entry.ToJsonString()}: oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}");
        }

        var telling = Text("messageExpression") is { } expression
            ? Compile(expression, self, CelType.String, "messageExpression must evaluate to a string", $"{at}.messageExpression", entry, problems)
            : null;
        return problems.Count > before ? null : new(rule!, message, reason, path, program!, telling);
    }

    /// <summary>What is wrong with a value, worded as field.Error does; null when the rule holds.</summary>
    /// <param name="type">The schema's type, which stands for the value (apiextensions-apiserver, schema/cel/validation.go, until 1.32).</param>
    public string? Problem(JsonNode value, JsonNode? old, string at, string type)
    {
        if (Program.UsesOldSelf && old is null)
        {
            return null;
        }

        var where = at.Length == 0 ? "<nil>" : at;
        try
        {
            if (Program.Evaluate(value, old) is true)
            {
                return null;
            }
        }
        catch (CelEvaluationException e)
        {
            var told = e.Message.StartsWith("no such overload", StringComparison.Ordinal) ? $"'{e.Message}': call arguments did not match a supported operator, function or macro signature for rule: {Message?.Trim() ?? Rule}"
                : e.Message.StartsWith("operation cancelled", StringComparison.Ordinal) ? $"'{e.Message}': no further validation rules will be run due to call cost exceeds limit for rule: {Message?.Trim() ?? Rule}"
                : $"{e.Message} evaluating rule: {Message?.Trim() ?? Rule}";
            return $"{where}: Invalid value: \"{type}\": {told}";
        }

        var field = FieldPath is null ? where : at.Length == 0 ? FieldPath.TrimStart('.') : at + FieldPath;
        return Reason switch
        {
            "FieldValueForbidden" => $"{field}: Forbidden: {Detail(value, old)}",
            "FieldValueRequired" => $"{field}: Required value: {Detail(value, old)}",
            "FieldValueDuplicate" => $"{field}: Duplicate value: \"{type}\"",
            _ => $"{field}: Invalid value: \"{type}\": {Detail(value, old)}",
        };
    }

    private string Detail(JsonNode value, JsonNode? old)
    {
        try
        {
            if (Telling?.Evaluate(value, old) is string { Length: > 0 } text && !text.Contains('\n'))
            {
                return text.Trim();
            }
        }
        catch (CelEvaluationException)
        {
            // As the API server does: the message stands in for the expression that fails.
        }

        return Message?.Trim() ?? $"failed rule: {Rule}";
    }

    private static CelProgram? Compile(string rule, CelType self, CelType wanted, string otherwise, string at, JsonObject entry, List<string> problems)
    {
        try
        {
            var program = CelProgram.Compile(rule, self);
            if (program.Type == wanted || program.Type == CelType.Dyn)
            {
                return program;
            }

            problems.Add($"{at}: Invalid value: {entry.ToJsonString()}: {otherwise}");
        }
        catch (CelCompileException e)
        {
            problems.Add($"{at}: Invalid value: {entry.ToJsonString()}: {e.Describe(rule)}");
        }

        return null;
    }

    private static string? Missing(string path, JsonObject schema)
    {
        if (path[0] != '.' || path.Contains('[', StringComparison.Ordinal))
        {
            return path[0] == '.' ? "only field names are supported by this API server" : $"expected [ or . but got: {path}";
        }

        JsonNode? at = schema;
        foreach (var name in path[1..].Split('.'))
        {
            at = at?["properties"]?[name] ?? at?["additionalProperties"];
            if (at is not JsonObject)
            {
                return "does not refer to a valid field";
            }
        }

        return null;
    }

    private static string Quoted(string text) => $"\"{text}\"";
}
