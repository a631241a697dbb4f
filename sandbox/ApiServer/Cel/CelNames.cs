using System.Text;

namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>Field names as rules write them (kubernetes.io, CustomResourceDefinitions, Validation rules: escaping).</summary>
internal static class CelNames
{
    private static readonly HashSet<string> Keywords =
        ["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"];

    public static string Escape(string field)
    {
        if (Keywords.Contains(field))
        {
            return $"__{field}__";
        }

        return new StringBuilder(field).Replace("__", "__underscores__").Replace(".", "__dot__").Replace("-", "__dash__").Replace("/", "__slash__").ToString();
    }
}
