namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>What the cluster knows of a model.</summary>
internal sealed class ServedModel(string name, double gigabytes)
{
    public string Name => name;

    public double Gigabytes => gigabytes;

    /// <summary>Clients keep a pod up.</summary>
    public bool Called { get; set; }

    public bool LoadsFail { get; set; }

    /// <summary>From a DataLoad's creation to its end; shorter than a step: at the next one.</summary>
    public TimeSpan LoadTakes { get; set; }

    public int Pods { get; set; }

    public bool Workers { get; set; }

    public bool Loaded { get; set; }

    /// <summary>Workers that the line has made, where more than one.</summary>
    public int? More { get; set; }

    /// <summary>DataLoads that have ended.</summary>
    public int Loads { get; set; }
}
