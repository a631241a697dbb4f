namespace Prewarm.Functions.Operate.Doctor;

/// <summary>What a question to the cluster brought: a value, nothing there (<see cref="Value"/> null), or why it could not be asked.</summary>
/// <param name="Unseen">Null when the question was answered.</param>
internal sealed record Seen<T>(T? Value, string? Unseen) where T : class
{
    public static Seen<T> Of(T? value) => new(value, null);

    public static Seen<T> Not(string why) => new(null, why);
}
