namespace Microsoft.Azure.Functions.Worker;

/// <summary>Binds a function's <c>HttpRequest</c> parameter to HTTP requests.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class HttpTriggerAttribute : Attribute
{
    /// <summary>All methods, level <see cref="AuthorizationLevel.Function"/>.</summary>
    public HttpTriggerAttribute() => AuthLevel = AuthorizationLevel.Function;

    /// <summary>As the worker has it, this one leaves the level at <see cref="AuthorizationLevel.Anonymous"/>: better pass the level.</summary>
    public HttpTriggerAttribute(params string[] methods) => Methods = methods;

    /// <summary>All methods, at the given level.</summary>
    public HttpTriggerAttribute(AuthorizationLevel authLevel) => AuthLevel = authLevel;

    /// <summary>The given methods, at the given level. A CloudEvents sink has to list "options" for the webhook handshake.</summary>
    public HttpTriggerAttribute(AuthorizationLevel authLevel, params string[] methods)
    {
        AuthLevel = authLevel;
        Methods = methods;
    }

    /// <value>HTTP methods in any case; null or empty means all.</value>
    public string[]? Methods { get; }

    /// <value>The key the Functions host asks for.</value>
    public AuthorizationLevel AuthLevel { get; }

    /// <value>Route template below the route prefix; null means the function's name.</value>
    public string? Route { get; set; }
}
