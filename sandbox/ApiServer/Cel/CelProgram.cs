using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>A rule that has been checked against the schema it stands in, ready to be evaluated.</summary>
internal sealed class CelProgram
{
    /// <summary>Steps of one evaluation; the API server bounds its cost in its own unit.</summary>
    private const int MaxSteps = 1_000_000;

    private readonly CelNode _rule;
    private readonly CelType _self;

    private CelProgram(CelNode rule, CelType self, CelType type, bool usesOldSelf) => (_rule, _self, Type, UsesOldSelf) = (rule, self, type, usesOldSelf);

    public CelType Type { get; }

    /// <summary>A transition rule: it holds on a change, and says nothing about an object that is new.</summary>
    public bool UsesOldSelf { get; }

    /// <exception cref="CelCompileException">The rule is not of this subset, or does not fit the schema.</exception>
    public static CelProgram Compile(string rule, CelType self)
    {
        var node = CelParser.Parse(rule);
        var (type, usesOldSelf) = CelChecker.Check(node, self);
        Patterns(node);
        return new(node, self, type, usesOldSelf);
    }

    /// <exception cref="CelEvaluationException">A key is missing, an index is out of bounds, a number overflows, a text is no number …</exception>
    public object? Evaluate(JsonNode self, JsonNode? oldSelf)
    {
        var names = new Dictionary<string, object?>(StringComparer.Ordinal) { ["self"] = Value(self, _self), ["oldSelf"] = UsesOldSelf ? Value(oldSelf, _self) : null };
        return new Run(names).Of(_rule);
    }

    private static object? Value(JsonNode? node, CelType type) => node switch
    {
        null => null,
        JsonObject obj when type is CelType.Object known => obj.Where(p => known.Fields.ContainsKey(p.Key)).ToDictionary(p => CelNames.Escape(p.Key), p => Value(p.Value, known.Fields[p.Key]), StringComparer.Ordinal),
        JsonObject obj => obj.ToDictionary(p => p.Key, p => Value(p.Value, type is CelType.Map map ? map.Value : CelType.Dyn), StringComparer.Ordinal),
        JsonArray list => list.Select(i => Value(i, type is CelType.List l ? l.Element : CelType.Dyn)).ToList(),
        _ => node.GetValueKind() switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Number => Number(node.ToJsonString(), type),
            _ => node.GetValue<string>(),
        },
    };

    private static object Number(string text, CelType type)
    {
        if (type != CelType.Double && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
        {
            return whole;
        }

        var number = double.Parse(text, CultureInfo.InvariantCulture);
        return type == CelType.Int ? (object)(long)number : number;
    }

    /// <summary>A pattern that is a literal is read with its rule.</summary>
    private static void Patterns(CelNode node)
    {
        switch (node)
        {
            case CelNode.Call { Function: "matches", Arguments: [.., CelNode.Literal { Value: string pattern } literal] }:
                try
                {
                    CelFunctions.Pattern(pattern);
                }
                catch (CelEvaluationException e)
                {
                    throw new CelCompileException(literal.At, $"invalid matches argument: {e.Message}");
                }

                break;
            case CelNode.Call call:
                call.Arguments.ToList().ForEach(Patterns);
                break;
            case CelNode.Over over:
                Patterns(over.Body);
                break;
        }
    }

    private sealed class Run(Dictionary<string, object?> names)
    {
        private int _steps;

        public object? Of(CelNode node)
        {
            if (++_steps > MaxSteps)
            {
                throw new CelEvaluationException("operation cancelled: actual cost limit exceeded");
            }

            return node switch
            {
                CelNode.Literal literal => literal.Value,
                CelNode.Name name => names[name.Text],
                CelNode.ListOf list => list.Items.Select(Of).ToList(),
                CelNode.Select select => Of(select.Of) is not Dictionary<string, object?> map ? throw CelFunctions.NoOverload()
                    : map.TryGetValue(select.Field, out var value) ? value : throw new CelEvaluationException($"no such key: {select.Field}"),
                CelNode.Has has => Of(has.Of) is Dictionary<string, object?> map ? map.ContainsKey(has.Field) : throw CelFunctions.NoOverload(),
                CelNode.Index index => Index(Of(index.Of), Of(index.Key)),
                CelNode.Call { Function: "_&&_", Arguments: [var a, var b] } => Both(a, b, stop: false),
                CelNode.Call { Function: "_||_", Arguments: [var a, var b] } => Both(a, b, stop: true),
                CelNode.Call { Function: "_?_:_", Arguments: [var condition, var yes, var no] } => Of(condition) is bool holds ? Of(holds ? yes : no) : throw CelFunctions.NoOverload(),
                CelNode.Call call => CelFunctions.Call(call.Function, [.. (call.Target is null ? call.Arguments : [call.Target, .. call.Arguments]).Select(Of)]),
                CelNode.Over over => Over(over),
                _ => throw new InvalidOperationException($"no evaluation for {node.GetType().Name}"),
            };
        }

        private static object? Index(object? of, object? key) => (of, key) switch
        {
            (List<object?> list, long at) => at >= 0 && at < list.Count ? list[(int)at] : throw new CelEvaluationException($"index out of bounds: {at}"),
            (Dictionary<string, object?> map, string name) => map.TryGetValue(name, out var value) ? value : throw new CelEvaluationException($"no such key: {name}"),
            _ => throw CelFunctions.NoOverload(),
        };

        /// <summary>Either side decides alone, and then what goes wrong on the other does not matter (language definition, Logical operators).</summary>
        private bool Both(CelNode a, CelNode b, bool stop)
        {
            var (left, wrong) = Try(a);
            if (left == stop)
            {
                return stop;
            }

            var (right, alsoWrong) = Try(b);
            return right == stop ? stop : (wrong ?? alsoWrong) is { } failure ? throw failure : !stop;
        }

        private (bool? Value, CelEvaluationException? Failure) Try(CelNode node)
        {
            try
            {
                return Of(node) is bool value ? (value, null) : (null, CelFunctions.NoOverload());
            }
            catch (CelEvaluationException e) when (_steps <= MaxSteps)
            {
                return (null, e);
            }
        }

        private object? Over(CelNode.Over over)
        {
            var range = Of(over.Range) switch
            {
                List<object?> list => list,
                Dictionary<string, object?> map => map.Keys.ToList<object?>(),
                _ => throw CelFunctions.NoOverload(),
            };
            var hidden = names.TryGetValue(over.Variable, out var outer);
            try
            {
                return over.Macro switch
                {
                    "all" => Decide(over, range, stop: false),
                    "exists" => Decide(over, range, stop: true),
                    "exists_one" => range.Count(i => Holds(over, i)) == 1,
                    "filter" => range.Where(i => Holds(over, i)).ToList(),
                    _ => range.Select(i => With(over, i)).ToList(),
                };
            }
            finally
            {
                if (hidden)
                {
                    names[over.Variable] = outer;
                }
                else
                {
                    names.Remove(over.Variable);
                }
            }
        }

        private bool Decide(CelNode.Over over, List<object?> range, bool stop)
        {
            CelEvaluationException? failure = null;
            foreach (var item in range)
            {
                names[over.Variable] = item;
                var (value, wrong) = Try(over.Body);
                if (value == stop)
                {
                    return stop;
                }

                failure ??= wrong;
            }

            return failure is null ? !stop : throw failure;
        }

        private bool Holds(CelNode.Over over, object? item) => With(over, item) is bool value ? value : throw CelFunctions.NoOverload();

        private object? With(CelNode.Over over, object? item)
        {
            names[over.Variable] = item;
            return Of(over.Body);
        }
    }
}
