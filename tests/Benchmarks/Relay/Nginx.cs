namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>Debian's nginx with a configuration of its own and connections to the upstream that are kept.</summary>
internal static class Nginx
{
    public static async Task<Proxy> StartAsync(Uri upstream, string folder, string binary)
    {
        var port = FreePort();
        var config = Path.Combine(folder, "nginx.conf");
        await File.WriteAllTextAsync(config, $$"""
            daemon off;
            worker_processes 2;
            pid {{folder}}/nginx.pid;
            error_log {{folder}}/nginx.log;
            events { worker_connections 1024; }
            http {
              access_log off;
              client_body_temp_path {{folder}}/body;
              proxy_temp_path {{folder}}/proxy;
              fastcgi_temp_path {{folder}}/fastcgi;
              uwsgi_temp_path {{folder}}/uwsgi;
              scgi_temp_path {{folder}}/scgi;
              keepalive_requests 1000000;
              upstream model { server {{upstream.Authority}}; keepalive 64; keepalive_requests 1000000; }
              server {
                listen 127.0.0.1:{{port}};
                location / {
                  proxy_pass http://model;
                  proxy_http_version 1.1;
                  proxy_set_header Connection "";
                  proxy_set_header Host bloom.default.example.com;
                  proxy_buffering off;
                  proxy_request_buffering off;
                }
              }
            }
            """);
        var proxy = await Proxy.StartAsync("nginx", false, new($"http://127.0.0.1:{port}/"), binary, "-c", config, "-p", folder);
        for (var i = 0; i < 200; i++)
        {
            using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync("127.0.0.1", port);
                return proxy;
            }
            catch (System.Net.Sockets.SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }

        await proxy.DisposeAsync();
        throw new InvalidOperationException("nginx does not listen");
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}
