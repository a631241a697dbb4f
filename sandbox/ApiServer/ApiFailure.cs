using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>A request that ends in a meta/v1 Status of failure.</summary>
internal sealed class ApiFailure(int code, string reason, string message, JsonObject? details = null) : Exception(message)
{
    public int Code { get; } = code;

    public JsonObject Status() => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Failure",
        ["message"] = Message,
        ["reason"] = reason,
        ["details"] = details?.DeepClone() ?? new JsonObject(),
        ["code"] = Code,
    };

    public static ApiFailure NotFound(Kind kind, string name) =>
        new(404, "NotFound", $"{kind.Resource} \"{name}\" not found", new() { ["name"] = name, ["group"] = kind.Group, ["kind"] = kind.Plural });

    public static ApiFailure Conflict(Kind kind, string name, string why) =>
        new(409, "Conflict", $"Operation cannot be fulfilled on {kind.Resource} \"{name}\": {why}", new() { ["name"] = name, ["group"] = kind.Group, ["kind"] = kind.Plural });

    public static ApiFailure Invalid(Kind kind, string name, IReadOnlyList<string> problems)
    {
        var causes = new JsonArray();
        foreach (var problem in problems)
        {
            var colon = problem.IndexOf(": ", StringComparison.Ordinal);
            causes.Add(new JsonObject { ["reason"] = Cause(problem[(colon + 2)..]), ["message"] = problem[(colon + 2)..], ["field"] = problem[..colon] });
        }

        return new(422, "Invalid", $"{kind.Name}{(kind.Group.Length == 0 ? "" : "." + kind.Group)} \"{name}\" is invalid: {(problems.Count == 1 ? problems[0] : "[" + string.Join(", ", problems) + "]")}",
            new() { ["name"] = name, ["group"] = kind.Group, ["kind"] = kind.Name, ["causes"] = causes });
    }

    // apimachinery, field.Error.ErrorBody: the type comes first.
    private static string Cause(string body) => body switch
    {
        _ when body.StartsWith("Required value", StringComparison.Ordinal) => "FieldValueRequired",
        _ when body.StartsWith("Unsupported value", StringComparison.Ordinal) => "FieldValueNotSupported",
        _ when body.StartsWith("Forbidden", StringComparison.Ordinal) => "FieldValueForbidden",
        _ when body.StartsWith("Duplicate value", StringComparison.Ordinal) => "FieldValueDuplicate",
        _ when body.StartsWith("Too long", StringComparison.Ordinal) => "FieldValueTooLong",
        _ when body.Contains(" in body must be of type ", StringComparison.Ordinal) => "FieldValueTypeInvalid",
        _ => "FieldValueInvalid",
    };

    public static ApiFailure BadRequest(string message) => new(400, "BadRequest", message);

    public static ApiFailure Expired(long from, long oldest) => new(410, "Expired", $"too old resource version: {from} ({oldest})");

    public static ApiFailure NoSuchPath() => new(404, "NotFound", "the server could not find the requested resource");

    public static ApiFailure NoSuchMethod() => new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");

    public static ApiFailure Forbidden(Kind kind, User user, Question question, string? ns) => new(403, "Forbidden",
        $"{kind.Resource}{(question.Name is null ? "" : $" \"{question.Name}\"")} is forbidden: User \"{user.Name}\" cannot {question.Verb} resource \"{question.Resource}\" in API group \"{question.Group}\" "
            + (ns is null ? "at the cluster scope" : $"in the namespace \"{ns}\""),
        new() { ["name"] = question.Name, ["group"] = question.Group, ["kind"] = kind.Plural });
}
