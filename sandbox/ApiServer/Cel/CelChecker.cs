namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>
/// Finds the type of every part of a rule before the CRD is stored, so that a misspelt field or a function that this subset lacks is an error then and
/// never a rule that silently holds. Messages as cel-go words them.
/// </summary>
internal sealed class CelChecker
{
    private readonly Dictionary<string, CelType> _names = new(StringComparer.Ordinal);

    private CelChecker(CelType self)
    {
        _names["self"] = self;
        _names["oldSelf"] = self;
    }

    private bool OldSelf { get; set; }

    /// <returns>The rule's type, and whether it compares with what was stored before.</returns>
    /// <exception cref="CelCompileException">Something has no such field, function or overload.</exception>
    public static (CelType Type, bool UsesOldSelf) Check(CelNode rule, CelType self)
    {
        var checker = new CelChecker(self);
        return (checker.Of(rule), checker.OldSelf);
    }

    private CelType Of(CelNode node) => node switch
    {
        CelNode.Literal { Value: null } => CelType.Null,
        CelNode.Literal { Value: bool } => CelType.Bool,
        CelNode.Literal { Value: long } => CelType.Int,
        CelNode.Literal { Value: double } => CelType.Double,
        CelNode.Literal => CelType.String,
        CelNode.Name name => Name(name),
        CelNode.ListOf list => List(list),
        CelNode.Select select => Field(select.At, Of(select.Of), select.Field),
        CelNode.Has has => Has(has),
        CelNode.Index index => Index(index, Of(index.Of), Of(index.Key)),
        CelNode.Call call => Call(call),
        CelNode.Over over => Over(over),
        _ => throw new InvalidOperationException($"no check for {node.GetType().Name}"),
    };

    private CelType Name(CelNode.Name name)
    {
        OldSelf |= name.Text == "oldSelf";
        return _names.TryGetValue(name.Text, out var type) ? type : throw new CelCompileException(name.At, $"undeclared reference to '{name.Text}' (in container '')");
    }

    private CelType.List List(CelNode.ListOf list)
    {
        var types = list.Items.Select(Of).ToList();
        return new(types.Count > 0 && types.TrueForAll(t => Same(t, types[0])) ? types[0] : CelType.Dyn);
    }

    private static CelType Field(int at, CelType of, string field) => of switch
    {
        CelType.Object known => known.Fields.FirstOrDefault(f => CelNames.Escape(f.Key) == field).Value ?? throw new CelCompileException(at, $"undefined field '{field}'"),
        CelType.Map map => map.Value,
        _ when of == CelType.Dyn => CelType.Dyn,
        _ => throw new CelCompileException(at, $"type '{of}' does not support field selection"),
    };

    private CelType Has(CelNode.Has has)
    {
        Field(has.At, Of(has.Of), has.Field);
        return CelType.Bool;
    }

    private static CelType Index(CelNode.Index index, CelType of, CelType key) => of switch
    {
        CelType.List list when Same(key, CelType.Int) => list.Element,
        CelType.Map map when Same(key, CelType.String) => map.Value,
        _ when of == CelType.Dyn => CelType.Dyn,
        _ => throw None(index.At, "_[_]", null, [of, key]),
    };

    private CelType Over(CelNode.Over over)
    {
        var element = Of(over.Range) switch
        {
            CelType.List list => list.Element,
            CelType.Map => CelType.String,
            var other when other == CelType.Dyn => CelType.Dyn,
            var other => throw new CelCompileException(over.Range.At, $"expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"),
        };
        var hidden = _names.GetValueOrDefault(over.Variable);
        _names[over.Variable] = element;
        var body = Of(over.Body);
        if (hidden is null)
        {
            _names.Remove(over.Variable);
        }
        else
        {
            _names[over.Variable] = hidden;
        }

        if (over.Macro != "map" && !Same(body, CelType.Bool))
        {
            throw new CelCompileException(over.Body.At, $"expected type 'bool' but found '{body}'");
        }

        return over.Macro switch { "map" => new CelType.List(body), "filter" => new CelType.List(element), _ => CelType.Bool };
    }

    private CelType Call(CelNode.Call call)
    {
        var target = call.Target is null ? null : Of(call.Target);
        var types = call.Arguments.Select(Of).ToList();
        return Result(call.Function, target, types) ?? throw (CelFunctions.Known(call.Function)
            ? None(call.At, call.Function, target, types)
            : new CelCompileException(call.At, $"undeclared reference to '{call.Function}' (in container '')"));
    }

    private static CelType? Result(string function, CelType? target, List<CelType> types) => (function, target, types) switch
    {
        ("_&&_" or "_||_", null, [var a, var b]) when Same(a, CelType.Bool) && Same(b, CelType.Bool) => CelType.Bool,
        ("!_", null, [var a]) when Same(a, CelType.Bool) => CelType.Bool,
        ("-_", null, [var a]) when Numeric(a) => a,
        ("_?_:_", null, [var c, var a, var b]) when Same(c, CelType.Bool) && Same(a, b) => a == CelType.Dyn ? b : a,
        ("_==_" or "_!=_", null, [var a, var b]) when Same(a, b) => CelType.Bool,
        ("_<_" or "_<=_" or "_>_" or "_>=_", null, [var a, var b]) when (Numeric(a) && Numeric(b)) || (Same(a, b) && (Same(a, CelType.String) || Same(a, CelType.Bool))) => CelType.Bool,
        ("_+_", null, [var a, var b]) when Same(a, b) && (Numeric(a) || Same(a, CelType.String) || a is CelType.List) => a,
        ("_-_" or "_*_" or "_/_", null, [var a, var b]) when Same(a, b) && Numeric(a) => a,
        ("_%_", null, [var a, var b]) when Same(a, CelType.Int) && Same(b, CelType.Int) => CelType.Int,
        ("@in", null, [var a, CelType.List list]) when Same(a, list.Element) => CelType.Bool,
        ("@in", null, [var a, CelType.Map]) when Same(a, CelType.String) => CelType.Bool,
        ("@in", null, [_, var b]) when b == CelType.Dyn => CelType.Bool,
        ("size", null, [var a]) when Sized(a) => CelType.Int,
        ("size", { } of, []) when Sized(of) => CelType.Int,
        ("startsWith" or "endsWith" or "contains" or "matches", { } of, [var a]) when Same(of, CelType.String) && Same(a, CelType.String) => CelType.Bool,
        ("matches", null, [var a, var b]) when Same(a, CelType.String) && Same(b, CelType.String) => CelType.Bool,
        ("int", null, [var a]) when Numeric(a) || Same(a, CelType.String) => CelType.Int,
        ("double", null, [var a]) when Numeric(a) || Same(a, CelType.String) => CelType.Double,
        ("string", null, [var a]) when Numeric(a) || Same(a, CelType.String) || Same(a, CelType.Bool) => CelType.String,
        _ => null,
    };

    private static bool Sized(CelType type) => type is CelType.List or CelType.Map || Same(type, CelType.String);

    private static bool Numeric(CelType type) => Same(type, CelType.Int) || Same(type, CelType.Double);

    private static bool Same(CelType a, CelType b) => a == CelType.Dyn || b == CelType.Dyn || (a, b) switch
    {
        (CelType.List x, CelType.List y) => Same(x.Element, y.Element),
        (CelType.Map x, CelType.Map y) => Same(x.Value, y.Value),
        (CelType.Object, CelType.Simple { Name: "null_type" }) or (CelType.Simple { Name: "null_type" }, CelType.Object) => true,
        _ => a == b,
    };

    private static CelCompileException None(int at, string function, CelType? target, IEnumerable<CelType> types) =>
        new(at, $"found no matching overload for '{function}' applied to '{(target is null ? "" : $"{target}.")}({string.Join(", ", types)})'");
}
