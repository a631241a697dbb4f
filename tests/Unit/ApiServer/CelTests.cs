using System.Text.Json.Nodes;
using CsCheck;
using Prewarm.Sandbox.ApiServer.Cel;
using Prewarm.Tests.Unit.Fuzz;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>The subset of CEL: what rules give, and that what is not of it is an error before anything is stored.</summary>
public sealed class CelTests
{
    private static readonly CelType Self = CelType.Of(JsonNode.Parse("""
        {"type":"object","properties":{
          "i":{"type":"integer"},"j":{"type":"integer"},"d":{"type":"number"},"s":{"type":"string"},"t":{"type":"string"},"b":{"type":"boolean"},"absent":{"type":"string"},
          "list":{"type":"array","items":{"type":"string"}},"numbers":{"type":"array","items":{"type":"integer"}},
          "map":{"type":"object","additionalProperties":{"type":"string"}},
          "o":{"type":"object","properties":{"x":{"type":"integer"},"namespace":{"type":"string"},"a-b":{"type":"string"}}},
          "objects":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"n":{"type":"integer"}}}},
          "any":{"x-kubernetes-int-or-string":true},"time":{"type":"string","format":"date-time"},"open":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}
        """)!.AsObject());

    private static readonly JsonNode Value = JsonNode.Parse("""
        {"i":3,"j":4,"d":2.5,"s":"模型","t":"oss://b/m","b":true,"list":["a","b"],"numbers":[1,2,3],"map":{"k":"v"},"o":{"x":1,"namespace":"ns","a-b":"c"},
         "objects":[{"name":"p","n":1},{"name":"q","n":2}],"any":"50%","time":"2026-11-24T00:00:00Z","open":{"y":1}}
        """)!;

    [Theory]
    [InlineData("self.i < self.j")]
    [InlineData("self.i <= 3 && self.j >= 4 && !(self.i > self.j)")]
    [InlineData("self.i == 3 && self.i != 4")]
    [InlineData("self.i < 3.5 && self.d < 3")]
    [InlineData("self.i + self.j * 2 - 1 == 10 && 7 / 2 == 3 && -7 % 3 == -1 && 0x1F == 31")]
    [InlineData("self.d * 2.0 == 5.0 && 1e2 == 100.0")]
    [InlineData("-self.i == 0 - 3 && !!self.b")]
    [InlineData("self.t.startsWith('oss://') && self.t.endsWith(\"/m\") && self.t.contains('b/')")]
    [InlineData("self.t.matches('^oss://[^/]+') && matches(self.t, 'b') && !self.t.matches('^b')")]
    [InlineData("size(self.s) == 2 && self.s.size() == 2 && size(self.list) == 2 && self.map.size() == 1 && size([]) == 0")]
    [InlineData("'a' in self.list && !('c' in self.list) && 'k' in self.map && self.i in [1, 2, 3]")]
    [InlineData("has(self.s) && !has(self.absent) && has(self.o.x) && has(self.map.k) && !has(self.map.z)")]
    [InlineData("!has(self.absent) || self.absent == 'x'")]
    [InlineData("has(self.absent) ? self.absent == 'x' : self.i == 3")]
    [InlineData("self.list.all(x, size(x) == 1) && self.list.exists(x, x == 'b') && !self.list.exists(x, x == 'c')")]
    [InlineData("self.list.exists_one(x, x == 'a') && self.numbers.filter(n, n > 1) == [2, 3] && self.numbers.map(n, n * 2) == [2, 4, 6]")]
    [InlineData("self.objects.all(o, self.objects.exists_one(p, p.name == o.name))")]
    [InlineData("self.map.all(k, self.map[k] == 'v') && self.list[1] == 'b' && self.objects[0].n == 1")]
    [InlineData("self.o.__namespace__ == 'ns' && self.o.a__dash__b == 'c'")]
    [InlineData("double('0.7') < double('0.95') && int('7') == 7 && string(7) == '7' && int(2.9) == 2 && string(true) == 'true'")]
    [InlineData("'a\\n\\u6a21\\'' == \"a\\n模'\" && r'\\d' == '\\\\d' && 'a' + 'b' == 'ab' && 'a' < 'b' && [1] + [2] == [1, 2]")]
    [InlineData("false && self.list[9] == 'x' ? false : true")]
    [InlineData("self.list[9] == 'x' || true")]
    [InlineData("!(self.list[9] == 'x' && false)")]
    [InlineData("self.list.exists(x, x == 'a' || self.list[9] == 'x')")]
    [InlineData("self.any == '50%' && (type_safe || true)", "undeclared reference to 'type_safe' (in container '')")]
    [InlineData("self.any == '50%' // a comment")]
    [InlineData("self == self && self.o == self.o && self.objects[0] != self.objects[1]")]
    [InlineData("true || false && false")]
    [InlineData("(true || false) && true")]
    public void Rule_OfTheSubset_Holds(string rule, string? error = null)
    {
        if (error is null)
        {
            Assert.Equal(true, CelProgram.Compile(rule, Self).Evaluate(Value, null));
        }
        else
        {
            Assert.Equal(error, Assert.Throws<CelCompileException>(() => CelProgram.Compile(rule, Self)).Message);
        }
    }

    [Theory]
    [InlineData("self.nope == 1", 4, "undefined field 'nope'")]
    [InlineData("self.o.nope == 1", 6, "undefined field 'nope'")]
    [InlineData("self.open.y == 1", 9, "undefined field 'y'")]
    [InlineData("has(self.nope)", 0, "undefined field 'nope'")]
    [InlineData("other.i == 1", 0, "undeclared reference to 'other' (in container '')")]
    [InlineData("self.list.all(x, x == 'a') && x == 'a'", 30, "undeclared reference to 'x' (in container '')")]
    [InlineData("self.s.frobnicate('x')", 7, "undeclared reference to 'frobnicate' (in container '')")]
    [InlineData("quantity(self.s) == 1", 0, "undeclared reference to 'quantity' (in container '')")]
    [InlineData("self.i == 'x'", 7, "found no matching overload for '_==_' applied to '(int, string)'")]
    [InlineData("self.i.startsWith('x')", 7, "found no matching overload for 'startsWith' applied to 'int.(string)'")]
    [InlineData("self.i && self.b", 7, "found no matching overload for '_&&_' applied to '(int, bool)'")]
    [InlineData("self.i + self.d > 1.0", 7, "found no matching overload for '_+_' applied to '(int, double)'")]
    [InlineData("self.b ? 1 : 'x'", 7, "found no matching overload for '_?_:_' applied to '(bool, int, string)'")]
    [InlineData("self.list[‘0’] == 'a'", 10, "Syntax error: token recognition error at: '‘'")]
    [InlineData("self.list['0'] == 'a'", 9, "found no matching overload for '_[_]' applied to '(list(string), string)'")]
    [InlineData("self.s.x == 1", 6, "type 'string' does not support field selection")]
    [InlineData("self.i.all(x, true)", 4, "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)")]
    [InlineData("self.list.all(x, x)", 17, "expected type 'bool' but found 'string'")]
    [InlineData("self.list.all(x)", 10, "the macro all takes a variable and an expression")]
    [InlineData("has(self)", 0, "invalid argument to has() macro")]
    [InlineData("self.time > '2026'", 10, "found no matching overload for '_>_' applied to '(date-time, string)'")]
    [InlineData("self.s.matches('(')", 15, "invalid matches argument: error parsing regexp: ")]
    [InlineData("self.s.matches('(a)\\\\1')", 15, "invalid matches argument: error parsing regexp: ")]
    [InlineData("self.i ==", 9, "Syntax error: mismatched input '<EOF>' expecting an expression")]
    [InlineData("self.i == 3)", 11, "Syntax error: mismatched input ')' expecting <EOF>")]
    [InlineData("{'a': 1}.a == 1", 0, "Syntax error: token recognition error at: '{'")]
    [InlineData("self.i == 3u", 11, "Syntax error: extraneous input 'u' after a number")]
    [InlineData("b'x' == b'x'", 0, "Syntax error: literals with the prefix 'b' are not supported here")]
    [InlineData("self.i == 99999999999999999999", 10, "invalid int literal")]
    [InlineData("'unended", 0, "Syntax error: token recognition error at: ''unended'")]
    [InlineData("self.namespace == 'x'", 5, "Syntax error: mismatched input 'namespace' expecting a field name")]
    [InlineData("for == 1", 0, "reserved identifier: for")]
    [InlineData("", 0, "Syntax error: mismatched input '<EOF>' expecting an expression")]
    public void Rule_OutsideTheSubset_IsRefusedWhereItIs(string rule, int at, string message)
    {
        var e = Assert.Throws<CelCompileException>(() => CelProgram.Compile(rule, Self));
        Assert.StartsWith(message, e.Message, StringComparison.Ordinal);
        Assert.StartsWith($"compilation failed: ERROR: <input>:1:{at + 1}: ", e.Describe(rule), StringComparison.Ordinal);
        Assert.EndsWith($"\n | {rule}\n | {new string('.', at)}^", e.Describe(rule), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("self.absent == 'x'", "no such key: absent")]
    [InlineData("self.map['z'] == 'x'", "no such key: z")]
    [InlineData("self.list[2] == 'x'", "index out of bounds: 2")]
    [InlineData("1 / (self.i - 3) == 0", "division by zero")]
    [InlineData("self.i % (self.i - 3) == 0", "modulus by zero")]
    [InlineData("9223372036854775807 + self.i > 0", "integer overflow")]
    [InlineData("int(self.s) == 1", "strconv: parsing \"模型\": invalid syntax")]
    [InlineData("self.any > 5", "no such overload")]
    [InlineData("self.list.all(x, self.list[9] == x)", "index out of bounds: 9")]
    public void Rule_ThatCannotBeEvaluated_SaysWhy(string rule, string message) =>
        Assert.Equal(message, Assert.Throws<CelEvaluationException>(() => CelProgram.Compile(rule, Self).Evaluate(Value, null)).Message);

    [Fact]
    public void Rule_OfTooManySteps_IsEndedAndNotTrue()
    {
        var many = new JsonObject { ["numbers"] = new JsonArray([.. Enumerable.Range(0, 200).Select(i => (JsonNode)i)]) };
        var program = CelProgram.Compile("self.numbers.all(a, self.numbers.all(b, self.numbers.all(c, a + b + c >= 0)))", Self);
        Assert.StartsWith("operation cancelled", Assert.Throws<CelEvaluationException>(() => program.Evaluate(many, null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rule_NestedTooDeep_IsRefused() => Assert.All((string[])[new string('(', 5000), new string('!', 5000) + "true", new string('-', 5000) + "1", string.Concat(Enumerable.Repeat("true ? ", 5000))],
        r => Assert.Throws<CelCompileException>(() => CelProgram.Compile(r, Self)));

    [Fact]
    public void Rule_AnyText_ABoolOrOneOfTheTwoExceptions()
    {
        var held = 0;
        Mutation.Of("self.list.all(x, x in ['a', 'b']) && size(self.s) > 1", "has(self.absent) ? self.absent.matches('^a+$') : self.i + 1 <= self.j", "!(self.o.x == 1) || self.map['k'].startsWith('v')").Sample(bytes =>
        {
            try
            {
                held += CelProgram.Compile(System.Text.Encoding.UTF8.GetString(bytes), Self).Evaluate(Value, Value) is true ? 1 : 0;
            }
            catch (Exception e) when (e is CelCompileException or CelEvaluationException)
            {
                Assert.NotEqual("", e.Message);
            }
        }, iter: 3000, threads: 1);
        Assert.True(held > 10, $"only {held} rules held");
    }
}
