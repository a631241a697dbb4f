using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>One function as its attributes describe it, read once when its type is registered.</summary>
public sealed class FunctionDescriptor
{
    private readonly Func<FunctionContext, HttpContext, object?>[] _arguments;
    private readonly Type _type;
    private readonly MethodInfo _method;

    // Made when they are asked for: of most functions one of them never is, and each is reflection at every start.
    private MethodInvoker? _invoker;
    private IReadOnlyList<object>? _metadata;

    private FunctionDescriptor(
        Type type, MethodInfo method, string name, HttpTriggerAttribute trigger, string requestName, Func<FunctionContext, HttpContext, object?>[] arguments)
    {
        _type = type;
        _method = method;
        _arguments = arguments;
        IsStatic = method.IsStatic;
        Name = name;
        Route = trigger.Route;
        Methods = trigger.Methods ?? [];
        AuthLevel = trigger.AuthLevel;
        RequestName = requestName;
        EntryPoint = $"{type.FullName}.{method.Name}";
    }

    /// <value>The function's name.</value>
    public string Name { get; }

    /// <value>Route template below the prefix; null means the name.</value>
    public string? Route { get; }

    /// <value>HTTP methods as written; empty means all.</value>
    public IReadOnlyList<string> Methods { get; }

    /// <value>The key the Functions host asks for.</value>
    public AuthorizationLevel AuthLevel { get; }

    /// <value>Name of the parameter that takes the request.</value>
    public string RequestName { get; }

    internal string EntryPoint { get; }

    internal bool IsStatic { get; }

    /// <value>The method's attributes: the endpoint's metadata, so that routing applies IRequestSizeLimitMetadata.</value>
    internal IReadOnlyList<object> Metadata => _metadata ??= _method.GetCustomAttributes(inherit: true);

    /// <value>The class with the method.</value>
    internal Type Type => _type;

    /// <param name="instances">Null: the invocation's own services, which cost a scope.</param>
    internal object? Invoke(FunctionContext context, HttpContext http, IServiceProvider? instances)
    {
        var instance = IsStatic ? null : (instances ?? context.InstanceServices).GetRequiredService(_type);
        var arguments = new object?[_arguments.Length];
        for (var i = 0; i < arguments.Length; i++)
        {
            arguments[i] = _arguments[i](context, http);
        }

        return (_invoker ??= MethodInvoker.Create(_method)).Invoke(instance, arguments.AsSpan());
    }

    /// <summary>A delegate on the one object of the function, where it takes request and context and returns <see cref="Task{IResult}"/>; null: it does not.</summary>
    internal Func<HttpRequest, FunctionContext, Task<IResult>>? Bind(IServiceProvider instances) =>
        !IsStatic && _method.ReturnType == typeof(Task<IResult>) && _method.GetParameters() is [{ ParameterType: var first }, { ParameterType: var second }]
            && first == typeof(HttpRequest) && second == typeof(FunctionContext)
            ? _method.CreateDelegate<Func<HttpRequest, FunctionContext, Task<IResult>>>(instances.GetRequiredService(_type))
            : null;

    internal static IEnumerable<FunctionDescriptor> Of(
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicMethods)] Type type)
    {
        foreach (var method in type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static))
        {
            if (method.DeclaringType != typeof(object) && method.GetCustomAttribute<FunctionAttribute>() is { } function)
            {
                yield return Describe(type, method, function.Name);
            }
        }
    }

    private static FunctionDescriptor Describe(Type type, MethodInfo method, string name)
    {
        var parameters = method.GetParameters();
        var (request, trigger) = parameters.Select(p => (p, p.GetCustomAttribute<HttpTriggerAttribute>())).FirstOrDefault(p => p.Item2 is not null);
        if (trigger is null)
        {
            throw Refuse(name, "needs a parameter with [HttpTrigger]; other triggers are not supported");
        }

        CheckReturnType(name, method.ReturnType);
        var routeValues = new Lazy<HashSet<string>>(() => RoutePatternFactory.Parse(trigger.Route ?? name).Parameters.Select(p => p.Name).ToHashSet(StringComparer.OrdinalIgnoreCase));
        var arguments = parameters.Select(p => Binder(name, p, routeValues)).ToArray();
        return new(type, method, name, trigger, request.Name!, arguments);
    }

    private static Func<FunctionContext, HttpContext, object?> Binder(string function, ParameterInfo parameter, Lazy<HashSet<string>> routeValues)
    {
        var key = parameter.Name!;
        return parameter.ParameterType switch
        {
            var t when t == typeof(HttpRequest) => static (_, http) => http.Request,
            var t when t == typeof(FunctionContext) => static (context, _) => context,
            var t when t == typeof(CancellationToken) => static (context, _) => context.CancellationToken,
            var t when t == typeof(string) && routeValues.Value.Contains(key) => (_, http) => http.Request.RouteValues[key] as string,
            var t => throw Refuse(function, $"has a parameter '{t.Name} {key}' that cannot be bound: use HttpRequest, FunctionContext, CancellationToken, or a string named in the route"),
        };
    }

    private static void CheckReturnType(string name, Type type)
    {
        // A Task<T> is not covariant: reading the result of any other T would take reflection on every request.
        if (type.IsGenericType && typeof(Task).IsAssignableFrom(type)
            && type.GenericTypeArguments[0] is var result && result != typeof(IResult) && typeof(IResult).IsAssignableFrom(result))
        {
            throw Refuse(name, $"returns Task<{result.Name}>: return Task<IResult>");
        }

        if (type == typeof(ValueTask) || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ValueTask<>)))
        {
            throw Refuse(name, "returns a ValueTask: return a Task");
        }
    }

    private static InvalidOperationException Refuse(string function, string why) => new($"Function '{function}' {why}.");
}
