using Mono.Cecil;

namespace Prewarm.Tests.Unit.Architecture;

/// <summary>One use of a namespace by another, and the type in which it was found.</summary>
internal sealed record Dependency(string From, string To, string Type, string Used);

/// <summary>Reads from a compiled assembly which namespace uses which: signatures, fields, attributes, and every instruction of every body, closures and state machines included.</summary>
internal static class DependencyReader
{
    public static IReadOnlyList<Dependency> Read(string path, string rootNamespace)
    {
        using var assembly = AssemblyDefinition.ReadAssembly(path);
        var found = new HashSet<Dependency>();
        foreach (var type in assembly.MainModule.GetTypes())
        {
            var from = Outermost(type).Namespace;
            if (!from.StartsWith(rootNamespace, StringComparison.Ordinal))
            {
                continue;
            }

            foreach (var used in Uses(type).SelectMany(Parts))
            {
                if (Outermost(used).Namespace is { Length: > 0 } to && to != from)
                {
                    found.Add(new(from, to, Outermost(type).Name, Outermost(used).Name));
                }
            }
        }

        return [.. found];
    }

    private static IEnumerable<TypeReference?> Uses(TypeDefinition type)
    {
        List<TypeReference?> uses = [type.BaseType, .. type.Interfaces.Select(i => i.InterfaceType), .. type.Fields.Select(f => f.FieldType), .. Attributes(type)];
        uses.AddRange(type.Fields.SelectMany(Attributes));
        foreach (var method in type.Methods)
        {
            uses.Add(method.ReturnType);
            uses.AddRange(method.Parameters.Select(p => p.ParameterType));
            uses.AddRange(Attributes(method));
            uses.AddRange(method.GenericParameters.SelectMany(p => p.Constraints).Select(c => c.ConstraintType));
            if (!method.HasBody)
            {
                continue;
            }

            uses.AddRange(method.Body.Variables.Select(v => v.VariableType));
            uses.AddRange(method.Body.ExceptionHandlers.Select(h => h.CatchType));
            foreach (var operand in method.Body.Instructions.Select(i => i.Operand))
            {
                uses.AddRange(operand switch
                {
                    TypeReference t => [t],
                    MethodReference m => [m.DeclaringType, m.ReturnType, .. m.Parameters.Select(p => p.ParameterType), .. (m as GenericInstanceMethod)?.GenericArguments ?? []],
                    FieldReference f => [f.DeclaringType, f.FieldType],
                    _ => (IEnumerable<TypeReference>)[],
                });
            }
        }

        return uses;
    }

    private static IEnumerable<TypeReference> Attributes(ICustomAttributeProvider of) => of.CustomAttributes.Select(a => a.AttributeType);

    /// <summary>A type and what it is made of: element types and generic arguments.</summary>
    private static IEnumerable<TypeReference> Parts(TypeReference? type)
    {
        if (type is null or GenericParameter)
        {
            yield break;
        }

        if (type is GenericInstanceType generic)
        {
            foreach (var part in generic.GenericArguments.SelectMany(Parts))
            {
                yield return part;
            }
        }

        yield return type.GetElementType();
    }

    private static TypeReference Outermost(TypeReference type)
    {
        while (type.DeclaringType is { } outer)
        {
            type = outer;
        }

        return type;
    }
}
