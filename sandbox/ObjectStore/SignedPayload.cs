using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>The body of a request whose header is genuine: step 4 of <see cref="SignatureV4"/>, with bounded memory.</summary>
/// <param name="hash">x-amz-content-sha256.</param>
/// <param name="key">The signing key of a chunked body; null for a plain one.</param>
/// <param name="seed">The header's signature, which the first chunk's is chained to.</param>
internal sealed class SignedPayload(string hash, byte[]? key, string date, string scope, string seed)
{
    private const int Piece = 64 * 1024;
    private static readonly string s_empty = SignatureV4.Hex(SHA256.HashData([]));

    /// <exception cref="S3Error">400 for a body that is not what was signed, 403 for a chunk's wrong signature.</exception>
    public async Task<(Blob Data, string Md5)> ReadAsync(Stream body, CancellationToken cancellationToken)
    {
        using var writer = new BlobWriter();
        var buffer = new byte[Piece];
        if (key is not null)
        {
            await using var buffered = new BufferedStream(body, Piece);
            await ChunksAsync(buffered, writer, buffer, key, cancellationToken);
            return writer.Finish();
        }

        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int read; (read = await body.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            sha.AppendData(buffer, 0, read);
            await writer.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }

        if (hash != "UNSIGNED-PAYLOAD" && !string.Equals(hash, SignatureV4.Hex(sha.GetHashAndReset()), StringComparison.OrdinalIgnoreCase))
        {
            throw new S3Error(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.");
        }

        return writer.Finish();
    }

    // size;chunk-signature=hex CRLF data CRLF, until a size of 0.
    private async Task ChunksAsync(BufferedStream body, BlobWriter writer, byte[] buffer, byte[] signing, CancellationToken cancellationToken)
    {
        var previous = seed;
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (true)
        {
            var line = (await LineAsync(body, cancellationToken)).Split(";chunk-signature=");
            if (line.Length != 2 || !long.TryParse(line[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var size) || size < 0)
            {
                throw Malformed();
            }

            for (var left = size; left > 0;)
            {
                var read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken);
                if (read == 0)
                {
                    throw Malformed();
                }

                sha.AppendData(buffer, 0, read);
                await writer.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                left -= read;
            }

            var text = $"AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{s_empty}\n{SignatureV4.Hex(sha.GetHashAndReset())}";
            previous = SignatureV4.Same(SignatureV4.Hex(SignatureV4.Hmac(signing, text)), line[1]);
            if (size == 0)
            {
                return;
            }

            if ((await LineAsync(body, cancellationToken)).Length > 0)
            {
                throw Malformed();
            }
        }
    }

    private static async Task<string> LineAsync(BufferedStream body, CancellationToken cancellationToken)
    {
        var line = new StringBuilder();
        var one = new byte[1];
        while (line.Length < 256)
        {
            if (await body.ReadAsync(one, cancellationToken) == 0)
            {
                throw Malformed();
            }

            if (one[0] == '\n' && line.Length > 0 && line[^1] == '\r')
            {
                return line.ToString(0, line.Length - 1);
            }

            line.Append((char)one[0]);
        }

        throw Malformed();
    }

    private static S3Error Malformed() => new(400, "IncompleteBody", "The aws-chunked body is cut short or malformed.");
}
