import { StringDecoder } from 'node:string_decoder';

/** What somebody does at the keyboard. */
export type Key =
  | { readonly type: 'text'; readonly text: string }
  /** Pasted, or a part of it: nothing in it is a key. */
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'press'; readonly name: KeyName }
  /** No key, but the terminal's answer where the cursor stands (CPR, ECMA-48, 8.3.14). The column counts from 0. */
  | { readonly type: 'position'; readonly column: number };

const PRESSED = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\x08': 'backspace',
  '\x01': 'ctrl-a',
  '\x02': 'left',
  '\x03': 'ctrl-c',
  '\x04': 'ctrl-d',
  '\x05': 'ctrl-e',
  '\x06': 'right',
  '\x07': 'ctrl-g',
  '\x0b': 'ctrl-k',
  '\x0c': 'ctrl-l',
  '\x0e': 'down',
  '\x10': 'up',
  '\x12': 'ctrl-r',
  '\x15': 'ctrl-u',
  '\x17': 'ctrl-w',
  '\x19': 'ctrl-y',
  '\x1a': 'ctrl-z',
} as const;

/** With Alt held, which terminals send as an escape in front. */
const ALT = {
  '\r': 'line-break',
  '\n': 'line-break',
  '\x7f': 'ctrl-w',
  '\x08': 'ctrl-w',
  b: 'word-left',
  B: 'word-left',
  f: 'word-right',
  F: 'word-right',
} as const;

/** By the letter that ends a sequence (ECMA-48, 5.4; and what xterm adds). */
const BY_LETTER = { A: 'up', B: 'down', C: 'right', D: 'left', H: 'home', F: 'end' } as const;

/** By the number in front of a `~`. */
const BY_NUMBER = {
  1: 'home',
  3: 'delete',
  4: 'end',
  5: 'page-up',
  6: 'page-down',
  7: 'home',
  8: 'end',
} as const;

type ValueOf<T> = T[keyof T];
export type KeyName =
  | ValueOf<typeof PRESSED>
  | ValueOf<typeof ALT>
  | ValueOf<typeof BY_LETTER>
  | ValueOf<typeof BY_NUMBER>
  | 'escape'
  | 'unknown';

const PASTE_START = '\x1b[200~';
const PASTE_END = '\x1b[201~';

/* eslint-disable no-control-regex -- keys are control characters */
/** A sequence that may still become one: more has to come. */
const UNFINISHED = /^\x1b(?:\[\[?|\[[0-?]+[ -/]*|O)?$/;
/** What one key sends: a function key of the Linux console, a control sequence, one by a single shift, Alt and a character. */
const SEQUENCE = /^\x1b(?:\[\[.|\[([0-?]*)[ -/]*([@-~])|O(.)|([^]))/u;
const TEXT = /^[^\x00-\x1f\x7f]+/;
/* eslint-enable no-control-regex */

/** Tells keys by the bytes that a terminal sends for them. What comes in pieces is put together again. */
export class KeyDecoder {
  readonly #utf8 = new StringDecoder('utf8');
  #rest = '';
  #pasting = false;

  decode(bytes: Buffer): Key[] {
    this.#rest += this.#utf8.write(bytes);
    const keys: Key[] = [];
    while (this.#rest !== '') {
      const key = this.#pasting ? this.#paste() : this.#next();
      if (key === undefined) break;
      if (key !== 'mark') keys.push(key);
    }
    return keys;
  }

  /** The next key; undefined when more has to come; `mark` for the beginning or the end of a paste. */
  #next(): Key | 'mark' | undefined {
    const text = TEXT.exec(this.#rest)?.[0];
    if (text !== undefined) return this.#take(text.length, { type: 'text', text });
    if (this.#rest.startsWith('\r\n')) return this.#take(2, { type: 'press', name: 'enter' });
    if (!this.#rest.startsWith('\x1b')) {
      const name = PRESSED[this.#rest[0] as keyof typeof PRESSED] ?? 'unknown';
      return this.#take(1, { type: 'press', name });
    }
    if (this.#rest.startsWith(PASTE_START)) {
      this.#pasting = true;
      return this.#take(PASTE_START.length, 'mark');
    }
    // Two escapes: the first was the key, since nothing else begins so.
    if (this.#rest.startsWith('\x1b\x1b')) return this.#take(1, { type: 'press', name: 'escape' });
    if (UNFINISHED.test(this.#rest)) return undefined;
    const [all = '\x1b', parameters = '', letter, shifted, alt] = SEQUENCE.exec(this.#rest) ?? [];
    const position = letter === 'R' ? /^\d+;(\d+)$/.exec(parameters) : null;
    if (position) return this.#take(all.length, { type: 'position', column: Number(position[1]) - 1 });
    return this.#take(all.length, { type: 'press', name: nameOf(parameters, letter ?? shifted, alt) });
  }

  #paste(): Key | 'mark' | undefined {
    const end = this.#rest.indexOf(PASTE_END);
    if (end === 0) {
      this.#pasting = false;
      return this.#take(PASTE_END.length, 'mark');
    }
    // What may be the beginning of the mark has to wait; a carriage return may be half of a line break.
    const length = end > 0 ? end : this.#rest.length - waiting(this.#rest);
    if (length === 0) return undefined;
    return this.#take(length, { type: 'paste', text: this.#rest.slice(0, length).replace(/\r\n?/g, '\n') });
  }

  #take<T>(length: number, key: T): T {
    this.#rest = this.#rest.slice(length);
    return key;
  }
}

function nameOf(parameters: string, letter: string | undefined, alt: string | undefined): KeyName {
  if (alt !== undefined) return ALT[alt as keyof typeof ALT] ?? 'unknown';
  // Enter with Shift, from terminals that tell it from Enter alone.
  if (letter === 'u' || parameters.startsWith('27;'))
    return /^(?:27;\d+;)?13\b/.test(parameters) ? 'line-break' : 'unknown';
  const [number, modifier] = parameters.split(';');
  if (letter === '~') return BY_NUMBER[Number(number) as keyof typeof BY_NUMBER] ?? 'unknown';
  const name = BY_LETTER[letter as keyof typeof BY_LETTER] ?? 'unknown';
  if (modifier === undefined) return name;
  return name === 'left' ? 'word-left' : name === 'right' ? 'word-right' : name;
}

/** How many characters at the end of a paste cannot be told yet. */
function waiting(text: string): number {
  for (let length = Math.min(PASTE_END.length - 1, text.length); length > 0; length--) {
    if (PASTE_END.startsWith(text.slice(-length))) return length;
  }
  return text.endsWith('\r') ? 1 : 0;
}
