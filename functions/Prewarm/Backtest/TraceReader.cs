using System.IO.Compression;
using System.Text;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Reads traces: JSONL, one service a line, <c>{"id","h0","h1","t":[first absolute second, then deltas]}</c> (other keys are ignored),
/// or CSV with the header <c>timestamp,model</c> (seconds, or dates as ISO 8601). Either may be gzipped, which its first bytes tell.
/// </summary>
internal static class TraceReader
{
    /// <summary>Reads a file whole.</summary>
    /// <exception cref="TraceFormatException">A line is not what it should be, is unsorted or has a negative time; or there is no service at all.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static List<ServiceTrace> Read(string path)
    {
        using var file = !Directory.Exists(path) ? File.OpenRead(path) : throw new TraceFormatException($"{path} is a folder: give its files one by one");
        return Read(file, Path.GetFileName(path));
    }

    /// <inheritdoc cref="Read(string)"/>
    /// <param name="most">Bytes of text, unpacked, that it may have.</param>
    public static List<ServiceTrace> Read(Stream stream, string name, long most = long.MaxValue)
    {
        var head = new byte[2];
        head = head[..stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
        using var whole = new PeekedStream(head, stream);
        using Stream plain = head is [0x1f, 0x8b] ? new GZipStream(whole, CompressionMode.Decompress) : whole;
        using var reader = new StreamReader(new BoundedStream(plain, most), Encoding.UTF8);
        var services = new List<ServiceTrace>();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        var table = default(TraceTable);
        var number = 0;
        while (ReadLine(reader, name, number) is { } line)
        {
            number++;
            if (line.Length == 0)
            {
                continue;
            }

            try
            {
                if (table is not null)
                {
                    table.Add(line);
                }
                else if (services.Count == 0 && TraceTable.IsHeader(line))
                {
                    table = new TraceTable(line);
                }
                else
                {
                    services.Add(TraceLine.Read(line));
                    if (!ids.Add(services[^1].Id))
                    {
                        throw new FormatException($"\"{services[^1].Id}\" is there twice: one service is one line");
                    }
                }
            }
            catch (FormatException e)
            {
                throw new TraceFormatException($"{name}, line {number}: {e.Message}");
            }
        }

        if (table is not null)
        {
            services = table.Services();
        }

        return services.Count > 0 ? services : throw new TraceFormatException($"{name}: no service in it");
    }

    private static string? ReadLine(StreamReader reader, string name, int read)
    {
        try
        {
            return reader.ReadLine();
        }
        catch (InvalidDataException)
        {
            throw new TraceFormatException($"{name}, after line {read}: the gzip data is damaged");
        }
    }
}
