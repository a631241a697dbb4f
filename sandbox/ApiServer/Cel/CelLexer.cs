using System.Globalization;
using System.Text;

namespace Prewarm.Sandbox.ApiServer.Cel;

internal enum CelTokenKind { End, Name, Integer, Double, Text, Sign }

/// <param name="Value">What a literal stands for.</param>
internal readonly record struct CelToken(CelTokenKind Kind, string Text, int At, object? Value = null);

/// <summary>Cuts a rule into tokens (CEL language definition, Syntax).</summary>
internal static class CelLexer
{
    private static readonly string[] Signs = ["<=", ">=", "==", "!=", "&&", "||", "<", ">", "!", "?", ":", ".", ",", "(", ")", "[", "]", "+", "-", "*", "/", "%"];

    /// <exception cref="CelCompileException">Something is no token, or one that this subset lacks.</exception>
    public static List<CelToken> Tokens(string rule)
    {
        var tokens = new List<CelToken>();
        for (var at = 0; at < rule.Length;)
        {
            var c = rule[at];
            if (char.IsWhiteSpace(c))
            {
                at++;
                continue;
            }

            if (rule.AsSpan(at).StartsWith("//", StringComparison.Ordinal))
            {
                at = rule.IndexOf('\n', at) is >= 0 and var end ? end : rule.Length;
                continue;
            }

            var token = c is '"' or '\'' ? Quoted(rule, at, raw: false)
                : c is 'r' or 'R' && at + 1 < rule.Length && rule[at + 1] is '"' or '\'' ? Quoted(rule, at, raw: true)
                : char.IsAsciiDigit(c) ? Number(rule, at)
                : char.IsAsciiLetter(c) || c == '_' ? Word(rule, at)
                : Sign(rule, at);
            tokens.Add(token);
            at += token.Text.Length;
        }

        tokens.Add(new(CelTokenKind.End, "<EOF>", rule.Length));
        return tokens;
    }

    private static CelToken Word(string rule, int at)
    {
        var end = at;
        while (end < rule.Length && (char.IsAsciiLetterOrDigit(rule[end]) || rule[end] == '_'))
        {
            end++;
        }

        if (end < rule.Length && rule[end] is '"' or '\'')
        {
            throw new CelCompileException(at, $"Syntax error: literals with the prefix '{rule[at..end]}' are not supported here");
        }

        return new(CelTokenKind.Name, rule[at..end], at);
    }

    private static CelToken Sign(string rule, int at)
    {
        var sign = Array.Find(Signs, s => rule.AsSpan(at).StartsWith(s, StringComparison.Ordinal))
            ?? throw new CelCompileException(at, $"Syntax error: token recognition error at: '{rule[at]}'");
        return new(CelTokenKind.Sign, sign, at);
    }

    private static CelToken Number(string rule, int at)
    {
        var end = at;
        var hex = rule.AsSpan(at).StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        end += hex ? 2 : 0;
        while (end < rule.Length && (hex ? char.IsAsciiHexDigit(rule[end]) : char.IsAsciiDigit(rule[end])))
        {
            end++;
        }

        var whole = true;
        if (!hex && end + 1 < rule.Length && rule[end] == '.' && char.IsAsciiDigit(rule[end + 1]))
        {
            whole = false;
            end = Digits(rule, end + 1);
        }

        if (!hex && end < rule.Length && rule[end] is 'e' or 'E')
        {
            var power = end + 1 < rule.Length && rule[end + 1] is '+' or '-' ? end + 2 : end + 1;
            if (power < rule.Length && char.IsAsciiDigit(rule[power]))
            {
                whole = false;
                end = Digits(rule, power);
            }
        }

        if (end < rule.Length && (char.IsAsciiLetterOrDigit(rule[end]) || rule[end] == '_'))
        {
            throw new CelCompileException(end, $"Syntax error: extraneous input '{rule[end]}' after a number (unsigned numbers are not supported here)");
        }

        var text = rule[at..end];
        if (!whole)
        {
            return new(CelTokenKind.Double, text, at, double.Parse(text, CultureInfo.InvariantCulture));
        }

        // A minus is an operator of its own, so that the least number cannot be written; nobody does.
        return long.TryParse(hex ? text.AsSpan(2) : text, hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= 0
            ? new(CelTokenKind.Integer, text, at, value)
            : throw new CelCompileException(at, "invalid int literal");
    }

    private static int Digits(string rule, int at)
    {
        while (at < rule.Length && char.IsAsciiDigit(rule[at]))
        {
            at++;
        }

        return at;
    }

    private static CelToken Quoted(string rule, int start, bool raw)
    {
        var at = raw ? start + 1 : start;
        var quote = rule[at];
        if (rule.AsSpan(at).StartsWith(new string(quote, 3), StringComparison.Ordinal))
        {
            throw new CelCompileException(start, "Syntax error: triple quotes are not supported here");
        }

        var text = new StringBuilder();
        for (at++; at < rule.Length && rule[at] is not '\n'; at++)
        {
            if (rule[at] == quote)
            {
                return new(CelTokenKind.Text, rule[start..(at + 1)], start, text.ToString());
            }

            if (rule[at] == '\\' && !raw && at + 1 < rule.Length)
            {
                at += Escape(rule, at, text);
            }
            else
            {
                text.Append(rule[at]);
            }
        }

        throw new CelCompileException(start, $"Syntax error: token recognition error at: '{rule[start..]}'");
    }

    /// <summary>Returns how many characters follow the backslash.</summary>
    private static int Escape(string rule, int at, StringBuilder text)
    {
        const string names = "abfnrtv\\?\"'`";
        const string values = "\a\b\f\n\r\t\v\\?\"'`";
        var c = rule[at + 1];
        if (names.IndexOf(c, StringComparison.Ordinal) is >= 0 and var known)
        {
            text.Append(values[known]);
            return 1;
        }

        var length = c switch { 'x' or 'X' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (length > 0 && at + 2 + length <= rule.Length && int.TryParse(rule.AsSpan(at + 2, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && Rune.IsValid(code))
        {
            text.Append(new Rune(code).ToString());
            return 1 + length;
        }

        throw new CelCompileException(at, $"Syntax error: token recognition error at: '\\{c}'");
    }
}
