using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>When predictions came for each model: what a forecast learns from.</summary>
internal interface IArrivals
{
    /// <summary>Adds a replica's minute; several replicas' same minute become one.</summary>
    void Add(ModelKey model, ArrivalMinute minute);

    /// <summary>Says how many requests somebody else counted on the way to the model in a minute, whoever sent them; told again, the larger count stays.</summary>
    /// <param name="minute">Since 1970.</param>
    /// <param name="calls">How many of them at most may be calls.</param>
    void See(ModelKey model, long minute, int count, int calls = int.MaxValue);

    /// <summary>Says up to which minute all has been told by <see cref="See"/>: what was sent later cannot explain anything yet.</summary>
    void SeenUntil(long minute);

    /// <summary>The model's last minutes with arrivals, by the relays' reports and, of what was seen elsewhere, what they do not explain (<see cref="DirectCalls"/>); oldest first, at most <see cref="Arrivals.Remembered"/>.</summary>
    IReadOnlyList<ArrivalMinute> Recent(ModelKey model);

    /// <summary>Drops what is known of models that are no more.</summary>
    void Keep(IReadOnlySet<ModelKey> models);
}

/// <param name="At">Minutes since 1970.</param>
/// <param name="First">Seconds into the minute.</param>
/// <param name="Last">Seconds into the minute.</param>
internal sealed record ArrivalMinute(long At, int Count, double First, double Last, int Served, double ServiceSeconds)
{
    /// <summary>Requests of this minute on the way to the model that were no demand: wakes and readiness questions, ours or a client's through the relay, and predictions sent again.</summary>
    public int Others { get; init; }

    /// <summary>Unix seconds of the first arrival.</summary>
    public double FirstAt => (At * 60) + First;

    /// <summary>Unix seconds of the last arrival.</summary>
    public double LastAt => (At * 60) + Last;

    /// <summary>Two replicas' same minute.</summary>
    public ArrivalMinute With(ArrivalMinute other) => this with
    {
        Count = Count + other.Count,
        First = Count == 0 ? other.First : other.Count == 0 ? First : Math.Min(First, other.First),
        Last = Count == 0 ? other.Last : other.Count == 0 ? Last : Math.Max(Last, other.Last),
        Served = Served + other.Served,
        ServiceSeconds = ServiceSeconds + other.ServiceSeconds,
        Others = Others + other.Others,
    };
}
