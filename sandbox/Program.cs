return await Prewarm.Sandbox.CommandLine.RunAsync(args);
