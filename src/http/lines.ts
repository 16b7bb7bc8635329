const NEWLINE = 0x0a;

/** A line of a body, without its end; `null` stands for one that is longer than a line may be. */
export interface Line {
  /** Counted from 1. */
  readonly number: number;
  readonly bytes: Buffer | null;
}

/** Cuts a body into lines as it comes in. Of a line that is too long nothing is kept. */
export class LineSplitter {
  #number = 0;
  #parts: Buffer[] = [];
  #length = 0;

  /** @param most bytes of a line */
  constructor(private readonly most: number) {}

  /** The lines that end in this part of the body. Those with nothing in them but white space are left out. */
  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      this.#add(chunk.subarray(begin, end));
      this.#take(lines);
      begin = end + 1;
    }
    this.#add(chunk.subarray(begin));
    return lines;
  }

  /** The last line, if the body did not end with a line's end. */
  end(): Line[] {
    const lines: Line[] = [];
    this.#take(lines);
    return lines;
  }

  #add(part: Buffer): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length > this.most) this.#parts = [];
    else this.#parts.push(part);
  }

  #take(lines: Line[]): void {
    const number = ++this.#number;
    const bytes =
      this.#length > this.most
        ? null
        : this.#parts.length === 1
          ? (this.#parts[0] as Buffer)
          : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    if (bytes === null || !isBlank(bytes)) lines.push({ number, bytes });
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}
