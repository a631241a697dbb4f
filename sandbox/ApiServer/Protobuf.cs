using System.Text;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// <c>kubectl create …</c> and <c>kubectl auth can-i</c> send protobuf whatever the server speaks (k8s.io/apimachinery runtime.Unknown behind four magic bytes);
/// they take JSON for an answer. Read are the kinds that kubectl has a create command for, by the field numbers of k8s.io/api's generated.proto.
/// </summary>
internal static class Protobuf
{
    private static readonly Shape s_meta = new((1, "name", Text), (2, "generateName", Text), (3, "namespace", Text), (11, "labels", Map), (12, "annotations", Map));
    private static readonly Shape s_rule = new((1, "verbs", Texts), (2, "apiGroups", Texts), (3, "resources", Texts), (4, "resourceNames", Texts), (5, "nonResourceURLs", Texts));
    private static readonly Shape s_subject = new((1, "kind", Text), (2, "apiGroup", Text), (3, "name", Text), (4, "namespace", Text));
    private static readonly Shape s_role = new((1, "metadata", One(s_meta)), (2, "rules", Many(s_rule)));
    private static readonly Shape s_binding = new((1, "metadata", One(s_meta)), (2, "subjects", Many(s_subject)),
        (3, "roleRef", One(new((1, "apiGroup", Text), (2, "kind", Text), (3, "name", Text)))));
    private static readonly Shape s_attributes = new((1, "namespace", Text), (2, "verb", Text), (3, "group", Text), (4, "version", Text), (5, "resource", Text), (6, "subresource", Text), (7, "name", Text));

    private static readonly Dictionary<string, Shape> s_kinds = new()
    {
        ["SelfSubjectAccessReview"] = new((2, "spec", One(new((1, "resourceAttributes", One(s_attributes)))))),
        ["TokenRequest"] = new((1, "metadata", One(s_meta)), (2, "spec", One(new((4, "expirationSeconds", Number))))),
        ["Namespace"] = new((1, "metadata", One(s_meta))),
        ["ServiceAccount"] = new((1, "metadata", One(s_meta))),
        ["ConfigMap"] = new((1, "metadata", One(s_meta)), (2, "data", Map), (3, "binaryData", BytesMap)),
        ["Secret"] = new((1, "metadata", One(s_meta)), (2, "data", BytesMap), (3, "type", Text), (4, "stringData", Map)),
        ["Role"] = s_role,
        ["ClusterRole"] = s_role,
        ["RoleBinding"] = s_binding,
        ["ClusterRoleBinding"] = s_binding,
    };

    private delegate JsonNode? Reader(List<object> values);

    public static bool Is(byte[] body) => body.Length > 4 && body[0] == 'k' && body[1] == '8' && body[2] == 's' && body[3] == 0;

    /// <exception cref="ApiFailure">415 for another kind, 400 for a body that is not protobuf.</exception>
    public static JsonObject Read(byte[] body)
    {
        var envelope = Fields(body.AsSpan(4));
        var type = Fields(Bytes(envelope, 1));
        var (api, kind) = (Encoding.UTF8.GetString(Bytes(type, 1)), Encoding.UTF8.GetString(Bytes(type, 2)));
        var obj = s_kinds.TryGetValue(kind, out var shape) ? shape.Read(Bytes(envelope, 2))
            : throw new ApiFailure(415, "UnsupportedMediaType", $"protobuf of {kind} is not understood here: send JSON, as kubectl apply does");
        obj["apiVersion"] = api;
        obj["kind"] = kind;
        return obj;
    }

    private static JsonNode? Text(List<object> values) => values[^1] is byte[] { Length: > 0 } text ? Encoding.UTF8.GetString(text) : null;

    private static JsonNode? Number(List<object> values) => values[^1] is long number ? number : null;

    private static JsonNode? Texts(List<object> values) => new JsonArray([.. values.OfType<byte[]>().Select(v => JsonValue.Create(Encoding.UTF8.GetString(v)))]);

    private static JsonNode? Map(List<object> values) => Map(values, v => Encoding.UTF8.GetString(v));

    private static JsonNode? BytesMap(List<object> values) => Map(values, Convert.ToBase64String);

    private static JsonObject Map(List<object> values, Func<byte[], string> value)
    {
        var map = new JsonObject();
        foreach (var entry in values.OfType<byte[]>().Select(v => Fields(v)))
        {
            map[Encoding.UTF8.GetString(Bytes(entry, 1))] = value(Bytes(entry, 2));
        }

        return map;
    }

    private static Reader One(Shape shape) => values => values[^1] is byte[] message ? shape.Read(message) : null;

    private static Reader Many(Shape shape) => values => new JsonArray([.. values.OfType<byte[]>().Select(v => shape.Read(v))]);

    private static byte[] Bytes(Dictionary<int, List<object>> fields, int number) => fields.GetValueOrDefault(number)?[^1] as byte[] ?? [];

    private static Dictionary<int, List<object>> Fields(ReadOnlySpan<byte> message)
    {
        var fields = new Dictionary<int, List<object>>();
        var at = 0;
        while (at < message.Length)
        {
            var tag = Varint(message, ref at);
            object value;
            switch (tag & 7)
            {
                case 0:
                    value = Varint(message, ref at);
                    break;
                case 2:
                    var length = (int)Varint(message, ref at);
                    if (length < 0 || length > message.Length - at)
                    {
                        throw ApiFailure.BadRequest("the protobuf body ends too early");
                    }

                    value = message.Slice(at, length).ToArray();
                    at += length;
                    break;
                default:
                    throw ApiFailure.BadRequest("the protobuf body has a field of an unknown wire type");
            }

            if (!fields.TryGetValue((int)(tag >> 3), out var values))
            {
                fields[(int)(tag >> 3)] = values = [];
            }

            values.Add(value);
        }

        return fields;
    }

    private static long Varint(ReadOnlySpan<byte> message, ref int at)
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

    private sealed class Shape(params (int Number, string Name, Reader Reader)[] fields)
    {
        public JsonObject Read(ReadOnlySpan<byte> message)
        {
            var found = Fields(message);
            var obj = new JsonObject();
            foreach (var (number, name, reader) in fields)
            {
                if (found.TryGetValue(number, out var values) && reader(values) is { } value)
                {
                    obj[name] = value;
                }
            }

            return obj;
        }
    }
}
