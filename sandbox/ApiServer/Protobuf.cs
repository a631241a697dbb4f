using System.Text;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// kubectl's typed clients send protobuf whatever the server speaks (k8s.io/apimachinery runtime.Unknown behind four magic bytes); they take JSON for an answer.
/// Only the review and the token request are read.
/// </summary>
internal static class Protobuf
{
    public static bool Is(byte[] body) => body.Length > 4 && body[0] == 'k' && body[1] == '8' && body[2] == 's' && body[3] == 0;

    public static JsonObject Read(byte[] body)
    {
        var envelope = Fields(body.AsSpan(4));
        var type = Fields(Bytes(envelope, 1));
        var raw = Fields(Bytes(envelope, 2));
        var spec = Fields(Bytes(raw, 2));
        switch (Encoding.UTF8.GetString(Bytes(type, 2)))
        {
            case "SelfSubjectAccessReview":
                var attributes = Fields(Bytes(spec, 1));
                var asked = new JsonObject();
                foreach (var (number, name) in (ReadOnlySpan<(int, string)>)[(1, "namespace"), (2, "verb"), (3, "group"), (4, "version"), (5, "resource"), (6, "subresource"), (7, "name")])
                {
                    asked[name] = Encoding.UTF8.GetString(Bytes(attributes, number));
                }

                return new() { ["spec"] = new JsonObject { ["resourceAttributes"] = asked } };
            case "TokenRequest":
                return new() { ["spec"] = spec.TryGetValue(4, out var seconds) && seconds is long s ? new JsonObject { ["expirationSeconds"] = s } : [] };
            case var other:
                throw new ApiFailure(415, "UnsupportedMediaType", $"protobuf of {other} is not understood here: send JSON");
        }
    }

    private static byte[] Bytes(Dictionary<int, object> fields, int number) => fields.GetValueOrDefault(number) as byte[] ?? [];

    private static Dictionary<int, object> Fields(ReadOnlySpan<byte> message)
    {
        var fields = new Dictionary<int, object>();
        var at = 0;
        while (at < message.Length)
        {
            var tag = Number(message, ref at);
            switch (tag & 7)
            {
                case 0:
                    fields[(int)(tag >> 3)] = Number(message, ref at);
                    break;
                case 2:
                    var length = (int)Number(message, ref at);
                    if (length < 0 || length > message.Length - at)
                    {
                        throw ApiFailure.BadRequest("the protobuf body ends too early");
                    }

                    fields[(int)(tag >> 3)] = message.Slice(at, length).ToArray();
                    at += length;
                    break;
                default:
                    throw ApiFailure.BadRequest("the protobuf body has a field of an unknown wire type");
            }
        }

        return fields;
    }

    private static long Number(ReadOnlySpan<byte> message, ref int at)
    {
        long value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (at >= message.Length)
            {
                throw ApiFailure.BadRequest("the protobuf body ends too early");
            }

            var next = message[at++];
            value |= (long)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                break;
            }
        }

        return value;
    }
}
