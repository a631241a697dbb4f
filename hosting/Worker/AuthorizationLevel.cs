namespace Microsoft.Azure.Functions.Worker;

/// <summary>Which key the Functions host asks of a caller. Checked by that host alone: straight on Kestrel nobody checks it.</summary>
public enum AuthorizationLevel
{
    /// <summary>No key.</summary>
    Anonymous = 0,

    /// <summary>A signed-in user.</summary>
    User = 1,

    /// <summary>A function key.</summary>
    Function = 2,

    /// <summary>A system key.</summary>
    System = 3,

    /// <summary>The master key.</summary>
    Admin = 4,
}
