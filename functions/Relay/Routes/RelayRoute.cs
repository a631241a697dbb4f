using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Relay;

/// <summary>What a path asks for.</summary>
internal enum RouteKind
{
    /// <summary>Nothing that the relay serves.</summary>
    None,

    /// <summary>The names there are (KServe V1, V2).</summary>
    ModelList,

    /// <summary>GET /v2: what serves here.</summary>
    Server,

    /// <summary>GET /v2/health/live.</summary>
    Live,

    /// <summary>GET /v2/health/ready.</summary>
    Ready,

    /// <summary>The path names the model.</summary>
    Model,

    /// <summary>GET /openai/v1/models.</summary>
    OpenAIList,

    /// <summary>GET /openai/v1/models/{id}.</summary>
    OpenAIModel,

    /// <summary>The body names the model.</summary>
    Body,
}

/// <summary>
/// The routes of the prediction protocols (facts/kserve.md §4; Open Inference Protocol 2, REST; OpenAI API reference). Reading one takes no allocation.
/// Letter case counts, as it does in every path (RFC 3986 section 6.2.2.1).
/// </summary>
/// <param name="Model">The name in the path, without its verb; empty when there is none.</param>
/// <param name="Methods">What may be done with it, as Allow tells it.</param>
/// <param name="Demand">A prediction: it needs the model to run, and counts as an arrival.</param>
internal readonly ref struct RelayRoute(RouteKind kind, ReadOnlySpan<char> model, string methods, bool demand)
{
    public const string Get = "GET, HEAD";
    public const string Post = "POST";

    public RouteKind Kind { get; } = kind;
    public ReadOnlySpan<char> Model { get; } = model;
    public string Methods { get; } = methods;
    public bool Demand { get; } = demand;

    public bool Allows(string method) => Methods == Post ? HttpMethods.IsPost(method) : HttpMethods.IsGet(method) || HttpMethods.IsHead(method);

    /// <param name="path">Decoded, without its slash at the beginning, and without one at the end.</param>
    public static RelayRoute Read(ReadOnlySpan<char> path)
    {
        var rest = path;
        return Next(ref rest) switch
        {
            "v1" => V1(rest),
            "v2" => V2(rest),
            "openai" => OpenAI(rest),
            _ => default,
        };
    }

    /// <summary>Takes the first segment off.</summary>
    public static ReadOnlySpan<char> Next(scoped ref ReadOnlySpan<char> rest)
    {
        var slash = rest.IndexOf('/');
        var segment = slash < 0 ? rest : rest[..slash];
        rest = slash < 0 ? default : rest[(slash + 1)..];
        return segment;
    }

    private static RelayRoute V1(ReadOnlySpan<char> rest)
    {
        if (Next(ref rest) is not "models")
        {
            return default;
        }

        if (rest.IsEmpty)
        {
            return new(RouteKind.ModelList, default, Get, false);
        }

        var name = Next(ref rest);
        if (!rest.IsEmpty)
        {
            return default;
        }

        // V1 hangs the verb on the name; no model name has a colon.
        var colon = name.IndexOf(':');
        return colon < 0 ? new(RouteKind.Model, name, Get, false)
            : name[(colon + 1)..] is "predict" or "explain" ? new(RouteKind.Model, name[..colon], Post, true)
            : default;
    }

    private static RelayRoute V2(ReadOnlySpan<char> rest)
    {
        if (rest.IsEmpty)
        {
            return new(RouteKind.Server, default, Get, false);
        }

        var part = Next(ref rest);
        if (part is "health")
        {
            return rest switch
            {
                "live" => new(RouteKind.Live, default, Get, false),
                "ready" => new(RouteKind.Ready, default, Get, false),
                _ => default,
            };
        }

        if (part is not "models")
        {
            return default;
        }

        if (rest.IsEmpty)
        {
            return new(RouteKind.ModelList, default, Get, false);
        }

        var name = Next(ref rest);
        if (rest.StartsWith("versions/"))
        {
            Next(ref rest);
            if (Next(ref rest).IsEmpty)
            {
                return default;
            }
        }

        return rest switch
        {
            "" or "ready" => new(RouteKind.Model, name, Get, false),
            // The protocol's generate extension, as the huggingface and vLLM servers have it.
            "infer" or "generate" or "generate_stream" => new(RouteKind.Model, name, Post, true),
            _ => default,
        };
    }

    private static RelayRoute OpenAI(ReadOnlySpan<char> rest)
    {
        if (Next(ref rest) is not "v1")
        {
            return default;
        }

        if (rest.StartsWith("models/"))
        {
            // The id may have slashes.
            return new(RouteKind.OpenAIModel, rest["models/".Length..], Get, false);
        }

        return rest switch
        {
            "models" => new(RouteKind.OpenAIList, default, Get, false),
            "completions" or "chat/completions" or "embeddings" or "rerank" => new(RouteKind.Body, default, Post, true),
            _ => default,
        };
    }
}
