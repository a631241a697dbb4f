using Microsoft.Azure.Functions.Worker.Builder;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Operate;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Upload;

var builder = FunctionsApplication.CreateBuilder(args);
builder.ConfigureFunctionsWebApplication();
builder.Services
    .AddKubernetes(builder.Configuration)
    .AddCatalog(builder.Configuration)
    .AddEvents(builder.Configuration)
    .AddUpload(builder.Configuration)
    .AddPipeline(builder.Configuration)
    .AddScale(builder.Configuration)
    .AddPrewarm(builder.Configuration)
    .AddRelay(builder.Configuration)
    .AddOperate(builder.Configuration);
return CommandLine.Run(args, builder.Services, Console.Out, Console.Error) ?? await ServeCommand.RunAsync(builder, Console.Error);
