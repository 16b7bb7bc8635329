const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const WORDS = new Intl.Segmenter(undefined, { granularity: 'word' });

/**
 * A text that is being typed, of one line or several, with a cursor in it. The cursor stands between what people take for
 * characters (Unicode's grapheme clusters): never inside an emoji, nor between a letter and its accent.
 */
export class Line {
  #text = '';
  #cursor = 0;
  /** What was last cut out. */
  #cut = '';

  get text(): string {
    return this.#text;
  }

  /** In UTF-16 units. */
  get cursor(): number {
    return this.#cursor;
  }

  get isEmpty(): boolean {
    return this.#text === '';
  }

  /** Puts another text in its place, the cursor at its end. */
  set(text: string): void {
    this.#text = text;
    this.#cursor = text.length;
  }

  insert(text: string): void {
    this.#text = this.#text.slice(0, this.#cursor) + text + this.#text.slice(this.#cursor);
    this.#cursor += text.length;
  }

  left(): void {
    this.#cursor = this.#before();
  }

  right(): void {
    this.#cursor = this.#behind();
  }

  /** Moves a line up, as near to the same place in it as can be. @returns false on the first line */
  up(): boolean {
    const start = this.#lineStart();
    if (start === 0) return false;
    this.#moveInto(this.#lineStart(start - 1), this.#cursor - start);
    return true;
  }

  /** @returns false on the last line */
  down(): boolean {
    const end = this.#lineEnd();
    if (end === this.#text.length) return false;
    this.#moveInto(end + 1, this.#cursor - this.#lineStart());
    return true;
  }

  home(): void {
    this.#cursor = this.#lineStart();
  }

  end(): void {
    this.#cursor = this.#lineEnd();
  }

  wordLeft(): void {
    this.#cursor = this.#wordBefore();
  }

  wordRight(): void {
    const start = this.#lineStart();
    const line = this.#text.slice(start, this.#lineEnd());
    const words = [...WORDS.segment(line)].filter(({ isWordLike }) => isWordLike);
    const ends = words.map(({ index, segment }) => start + index + segment.length);
    this.#cursor = ends.find((end) => end > this.#cursor) ?? Math.min(this.#text.length, start + line.length + 1);
  }

  backspace(): void {
    this.#remove(this.#before(), this.#cursor);
  }

  delete(): void {
    this.#remove(this.#cursor, this.#behind());
  }

  /** Cuts to the beginning of the line; at its beginning, the break in front of it. */
  cutToStart(): void {
    this.#cutOut(Math.min(this.#lineStart(), this.#before()), this.#cursor);
  }

  /** Cuts to the end of the line; at its end, the break behind it. */
  cutToEnd(): void {
    this.#cutOut(this.#cursor, Math.max(this.#lineEnd(), this.#behind()));
  }

  /** Cuts back to the space in front of the word, as a shell does. */
  cutWord(): void {
    const [word = ''] = /\S*\s*$/.exec(this.#text.slice(this.#lineStart(), this.#cursor)) ?? [];
    this.#cutOut(word === '' ? this.#before() : this.#cursor - word.length, this.#cursor);
  }

  /** Puts in what was last cut out. */
  paste(): void {
    this.insert(this.#cut);
  }

  #remove(from: number, to: number): void {
    this.#text = this.#text.slice(0, from) + this.#text.slice(to);
    this.#cursor = from;
  }

  #cutOut(from: number, to: number): void {
    if (from === to) return;
    this.#cut = this.#text.slice(from, to);
    this.#remove(from, to);
  }

  /** Where the character in front of the cursor begins. Only its line is looked at: the whole may be long. */
  #before(): number {
    const start = this.#lineStart();
    if (this.#cursor === start) return Math.max(0, start - 1);
    const segments = GRAPHEMES.segment(this.#text.slice(start, this.#cursor));
    return start + (segments.containing(this.#cursor - start - 1)?.index ?? 0);
  }

  /** Where the character behind the cursor ends. */
  #behind(): number {
    const end = this.#lineEnd();
    if (this.#cursor === end) return Math.min(this.#text.length, end + 1);
    const { segment = '' } = GRAPHEMES.segment(this.#text.slice(this.#cursor, end)).containing(0) ?? {};
    return this.#cursor + segment.length;
  }

  #wordBefore(): number {
    const start = this.#lineStart();
    const words = [...WORDS.segment(this.#text.slice(start, this.#cursor))];
    const word = words.findLast(({ isWordLike }) => isWordLike);
    return word ? start + word.index : Math.min(start, this.#before());
  }

  #moveInto(start: number, offset: number): void {
    const end = this.#lineEnd(start);
    const line = this.#text.slice(start, end);
    const within = GRAPHEMES.segment(line).containing(offset);
    this.#cursor = within ? start + within.index : end;
  }

  #lineStart(from = this.#cursor): number {
    return from === 0 ? 0 : this.#text.lastIndexOf('\n', from - 1) + 1;
  }

  #lineEnd(from = this.#cursor): number {
    const end = this.#text.indexOf('\n', from);
    return end < 0 ? this.#text.length : end;
  }
}
