using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

var app = WebApplication.CreateSlimBuilder(args).Build();
app.MapGet("/healthz", static () => "ok\n");
app.Run($"http://127.0.0.1:{Environment.GetEnvironmentVariable("PORT")}");
