namespace Prewarm.Sandbox.ApiServer;

/// <summary>How the miniature API server runs.</summary>
internal sealed class ApiServerOptions
{
    /// <summary>Loopback port; 0 takes a free one.</summary>
    public int Port { get; set; }

    /// <summary>Changes kept for watches; an older resourceVersion answers 410 Expired.</summary>
    public int History { get; set; } = 5000;

    /// <summary>Time between bookmarks on an idle watch that asked for them.</summary>
    public TimeSpan BookmarkInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Registers the sandbox's own CRDs at the start.</summary>
    public bool BuiltInCrds { get; set; } = true;

    /// <summary>Trouble on purpose; null = none.</summary>
    public ApiFaults? Faults { get; set; }

    public TimeProvider Time { get; set; } = TimeProvider.System;
}
