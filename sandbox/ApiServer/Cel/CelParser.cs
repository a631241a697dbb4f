namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>
/// Parses the subset of CEL that CRDs of this cluster use (language definition, Syntax): literals, lists, field selection, indexes, has(), calls, the macros over
/// lists and maps, arithmetic, comparison, in, boolean logic and the ternary. Maps, messages, bytes and unsigned numbers are refused.
/// </summary>
internal sealed class CelParser
{
    /// <summary>Of nesting; as cel-go's own recursion limit it keeps a hostile rule from the stack.</summary>
    private const int MaxDepth = 100;

    private static readonly string[] Macros = ["all", "exists", "exists_one", "filter", "map"];

    // Language definition, Syntax: none may be a name; as a field each is written __name__.
    private static readonly HashSet<string> Reserved = ["as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"];

    private readonly List<CelToken> _tokens;
    private int _next;
    private int _depth;

    private CelParser(string rule) => _tokens = CelLexer.Tokens(rule);

    /// <exception cref="CelCompileException">The rule is not of this subset.</exception>
    public static CelNode Parse(string rule)
    {
        var parser = new CelParser(rule);
        var node = parser.Expression();
        return parser.Peek.Kind == CelTokenKind.End ? node : throw parser.Unexpected("<EOF>");
    }

    private CelToken Peek => _tokens[_next];

    private CelNode Expression()
    {
        if (++_depth > MaxDepth)
        {
            throw new CelCompileException(Peek.At, $"expression recursion limit exceeded: {MaxDepth}");
        }

        var condition = Binary(0);
        if (Take("?") is { } question)
        {
            var yes = Binary(0);
            Expect(":");
            condition = new CelNode.Call(question.At, "_?_:_", null, [condition, yes, Expression()]);
        }

        _depth--;
        return condition;
    }

    // From the weakest to the strongest.
    private static readonly string[][] Levels = [["||"], ["&&"], ["<", "<=", ">=", ">", "==", "!=", "in"], ["+", "-"], ["*", "/", "%"]];

    private CelNode Binary(int level)
    {
        if (level == Levels.Length)
        {
            return Unary();
        }

        var left = Binary(level + 1);
        while (Take(Levels[level]) is { } sign)
        {
            left = new CelNode.Call(sign.At, sign.Text == "in" ? "@in" : $"_{sign.Text}_", null, [left, Binary(level + 1)]);
        }

        return left;
    }

    private CelNode Unary()
    {
        if (Take("!", "-") is not { } sign)
        {
            return Member();
        }

        if (++_depth > MaxDepth)
        {
            throw new CelCompileException(sign.At, $"expression recursion limit exceeded: {MaxDepth}");
        }

        var node = new CelNode.Call(sign.At, sign.Text == "!" ? "!_" : "-_", null, [Unary()]);
        _depth--;
        return node;
    }

    private CelNode Member()
    {
        var node = Primary();
        while (true)
        {
            if (Take(".") is { } dot)
            {
                var name = Word();
                node = Take("(") is not null ? Method(name, node) : new CelNode.Select(dot.At, node, name.Text);
            }
            else if (Take("[") is { } bracket)
            {
                node = new CelNode.Index(bracket.At, node, Expression());
                Expect("]");
            }
            else
            {
                return node;
            }
        }
    }

    private CelNode Method(CelToken name, CelNode target)
    {
        var arguments = Arguments(")");
        if (!Macros.Contains(name.Text, StringComparer.Ordinal))
        {
            return new CelNode.Call(name.At, name.Text, target, arguments);
        }

        return arguments is [CelNode.Name variable, var body]
            ? new CelNode.Over(name.At, name.Text, target, variable.Text, body)
            : throw new CelCompileException(name.At, $"the macro {name.Text} takes a variable and an expression");
    }

    private CelNode Primary()
    {
        var token = Peek;
        _next++;
        switch (token.Kind)
        {
            case CelTokenKind.Integer or CelTokenKind.Double or CelTokenKind.Text:
                return new CelNode.Literal(token.At, token.Value);
            case CelTokenKind.Name when token.Text is "true" or "false":
                return new CelNode.Literal(token.At, token.Text == "true");
            case CelTokenKind.Name when token.Text == "null":
                return new CelNode.Literal(token.At, null);
            case CelTokenKind.Name when token.Text == "in" || Reserved.Contains(token.Text):
                throw new CelCompileException(token.At, $"reserved identifier: {token.Text}");
            case CelTokenKind.Name when Take("(") is not null:
                return Function(token);
            case CelTokenKind.Name:
                return new CelNode.Name(token.At, token.Text);
            case CelTokenKind.Sign when token.Text == "(":
                var inner = Expression();
                Expect(")");
                return inner;
            case CelTokenKind.Sign when token.Text == "[":
                return new CelNode.ListOf(token.At, Arguments("]"));
            default:
                _next--;
                throw Unexpected("an expression");
        }
    }

    private CelNode Function(CelToken name)
    {
        var arguments = Arguments(")");
        if (name.Text != "has")
        {
            return new CelNode.Call(name.At, name.Text, null, arguments);
        }

        return arguments is [CelNode.Select field]
            ? new CelNode.Has(name.At, field.Of, field.Field)
            : throw new CelCompileException(name.At, "invalid argument to has() macro");
    }

    private List<CelNode> Arguments(string end)
    {
        var list = new List<CelNode>();
        while (Take(end) is null)
        {
            if (list.Count > 0)
            {
                Expect(",");
            }

            list.Add(Expression());
        }

        return list;
    }

    private CelToken Word()
    {
        var token = Peek;
        if (token.Kind != CelTokenKind.Name || Reserved.Contains(token.Text) || token.Text is "in" or "true" or "false" or "null")
        {
            throw Unexpected("a field name");
        }

        _next++;
        return token;
    }

    private CelToken? Take(params string[] signs)
    {
        var token = Peek;
        var taken = (token.Kind == CelTokenKind.Sign || token is { Kind: CelTokenKind.Name, Text: "in" }) && signs.Contains(token.Text, StringComparer.Ordinal);
        _next += taken ? 1 : 0;
        return taken ? token : null;
    }

    private void Expect(string sign)
    {
        if (Take(sign) is null)
        {
            throw Unexpected($"'{sign}'");
        }
    }

    private CelCompileException Unexpected(string wanted) => new(Peek.At, $"Syntax error: mismatched input '{Peek.Text}' expecting {wanted}");
}
