namespace Prewarm.Sandbox.Running;

/// <summary>The functions that run, by what others ask of them.</summary>
internal interface IFunctions : IAsyncDisposable
{
    /// <summary>Takes predictions.</summary>
    Uri Relay { get; }

    /// <summary>Takes upload events.</summary>
    Uri Uploads { get; }

    /// <summary>Has the model API.</summary>
    Uri Operate { get; }

    /// <summary>Has the metrics of the line.</summary>
    Uri Line { get; }

    /// <summary>The process, where there is one.</summary>
    int? Id { get; }

    /// <summary>How often a process had to be started again.</summary>
    int Restarts { get; }

    /// <summary>Ends every process at once (SIGKILL); they are started again.</summary>
    void Kill();
}
