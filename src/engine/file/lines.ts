const LINE_FEED = 0x0a;

/** No line is longer, in bytes: a file that is none of lines must not fill the memory. */
const LONGEST = 256 * 1024 * 1024;

/**
 * The lines of a text as it comes in, each without the line feed at its end. What is behind the last line feed is no line:
 * whoever wrote it was interrupted.
 * @returns how many bytes follow the last line feed
 * @throws RangeError for one that is longer than any line may be
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, number> {
  let begun: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let at = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, at)) {
      const rest = chunk.subarray(at, end);
      yield begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      begun = [];
      length = 0;
      at = end + 1;
    }
    if (at === chunk.length) continue;
    begun.push(chunk.subarray(at));
    length += chunk.length - at;
    if (length > LONGEST) throw new RangeError('a line is too long');
  }
  return length;
}
