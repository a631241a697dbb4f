namespace Prewarm.Functions.Operate.Doctor;

internal enum Severity
{
    /// <summary>As needed.</summary>
    Ok,

    /// <summary>Could not be looked at; the message says why.</summary>
    Unknown,

    /// <summary>Works, but will surprise somebody.</summary>
    Warning,

    /// <summary>The line, or a part of it, cannot work.</summary>
    Error,
}

/// <summary>One thing that was compared with what is needed.</summary>
/// <param name="Check">Stable name, such as <c>knative/pvc</c>.</param>
/// <param name="Message">What was found, for a person.</param>
/// <param name="Fix">What to do; null when there is nothing to do.</param>
internal sealed record Finding(string Check, Severity Severity, string Message, string? Fix)
{
    public static Finding Ok(string check, string message) => new(check, Severity.Ok, message, null);

    public static Finding Unknown(string check, string message, string? fix = null) => new(check, Severity.Unknown, message, fix);

    public static Finding Warning(string check, string message, string fix) => new(check, Severity.Warning, message, fix);

    public static Finding Error(string check, string message, string fix) => new(check, Severity.Error, message, fix);
}
