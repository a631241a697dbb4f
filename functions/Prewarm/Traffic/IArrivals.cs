using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>When predictions came for each model: what a forecast learns from.</summary>
internal interface IArrivals
{
    /// <summary>Adds a replica's minute; several replicas' same minute become one.</summary>
    void Add(ModelKey model, ArrivalMinute minute);

    /// <summary>The model's last minutes with arrivals, oldest first; at most <see cref="Arrivals.Remembered"/>.</summary>
    IReadOnlyList<ArrivalMinute> Recent(ModelKey model);

    /// <summary>Drops what is known of models that are no more.</summary>
    void Keep(IReadOnlySet<ModelKey> models);
}

/// <param name="At">Minutes since 1970.</param>
/// <param name="First">Seconds into the minute.</param>
/// <param name="Last">Seconds into the minute.</param>
internal sealed record ArrivalMinute(long At, int Count, double First, double Last, int Served, double ServiceSeconds)
{
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
    };
}
