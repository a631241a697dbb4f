using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.LanguageModel;

/// <summary>One tensor as it lies in a file: <paramref name="DType"/> is a safetensors name (I64, I32), <paramref name="Data"/> is little-endian.</summary>
internal sealed record Tensor(string Name, string DType, IReadOnlyList<long> Shape, byte[] Data);

/// <summary>
/// Reads and writes the safetensors format: 8 bytes little-endian header length, a JSON header (dtype, shape, data_offsets per tensor,
/// free strings under <c>__metadata__</c>), then the bytes of all tensors without gaps.
/// </summary>
internal static class SafeTensors
{
    private const int MaxHeader = 100_000_000;

    /// <summary>Writes one shard; the SHA-256 of each tensor goes into <c>__metadata__</c>, because the format itself has no checksum.</summary>
    public static void Write(Stream stream, IEnumerable<Tensor> tensors)
    {
        var all = tensors.ToList();
        var metadata = new JsonObject { ["format"] = "pt" };
        var header = new JsonObject { ["__metadata__"] = metadata };
        long offset = 0;
        foreach (var t in all)
        {
            metadata["sha256." + t.Name] = Convert.ToHexStringLower(SHA256.HashData(t.Data));
            header[t.Name] = new JsonObject
            {
                ["dtype"] = t.DType,
                ["shape"] = new JsonArray([.. t.Shape.Select(d => (JsonNode)d)]),
                ["data_offsets"] = new JsonArray(offset, offset + t.Data.Length),
            };
            offset += t.Data.Length;
        }

        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        // Readers that map the file want the data aligned; the format pads the header with spaces for that.
        var padded = (json.Length + 7) / 8 * 8;
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, padded);
        stream.Write(length);
        stream.Write(json);
        for (var i = json.Length; i < padded; i++)
        {
            stream.WriteByte((byte)' ');
        }

        foreach (var t in all)
        {
            stream.Write(t.Data);
        }
    }

    /// <summary>Reads one shard to its end.</summary>
    /// <exception cref="InvalidDataException">The file is cut short, its header is not valid, or a tensor's checksum is wrong.</exception>
    public static async Task<IReadOnlyList<Tensor>> Read(Stream stream, string file, CancellationToken ct)
    {
        try
        {
            var prefix = new byte[8];
            await stream.ReadExactlyAsync(prefix, ct);
            var length = BinaryPrimitives.ReadInt64LittleEndian(prefix);
            if (length is < 2 or > MaxHeader)
            {
                throw new InvalidDataException($"{file}: the header length {length} is not possible");
            }

            var json = new byte[length];
            await stream.ReadExactlyAsync(json, ct);
            var header = JsonNode.Parse(json)!.AsObject();
            var metadata = header["__metadata__"] as JsonObject;
            var tensors = new List<Tensor>();
            long position = 0;
            foreach (var (name, value) in header.Where(p => p.Key != "__metadata__").OrderBy(p => (long)p.Value!["data_offsets"]![0]!))
            {
                var begin = (long)value!["data_offsets"]![0]!;
                var end = (long)value["data_offsets"]![1]!;
                if (begin != position || end < begin || end - begin > int.MaxValue)
                {
                    throw new InvalidDataException($"{file}: tensor {name} has offsets {begin}..{end} where {position} was expected");
                }

                var data = new byte[end - begin];
                await stream.ReadExactlyAsync(data, ct);
                position = end;
                var expected = (string?)metadata?["sha256." + name];
                if (expected is not null && !string.Equals(expected, Convert.ToHexStringLower(SHA256.HashData(data)), StringComparison.Ordinal))
                {
                    throw new InvalidDataException($"{file}: tensor {name} is corrupt, its SHA-256 is not {expected}");
                }

                tensors.Add(new Tensor(name, (string)value["dtype"]!, [.. value["shape"]!.AsArray().Select(d => (long)d!)], data));
            }

            return tensors;
        }
        catch (Exception e) when (e is JsonException or EndOfStreamException or NullReferenceException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw new InvalidDataException($"{file}: not a whole safetensors file: {e.Message}", e);
        }
    }
}
