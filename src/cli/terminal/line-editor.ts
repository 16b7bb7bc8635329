import type { Key, KeyName } from './key.js';
import { Line } from './line.js';
import type { Recall } from './recall.js';

/** What a key asks of the screen; undefined when it has only changed the line. */
export type Request = 'enter' | 'complete' | 'clear-screen' | 'interrupt' | 'end' | 'suspend' | 'older' | 'newer';

/** Ctrl-R: what is looked for, and how many newer lines with it were passed over. */
interface Search {
  readonly part: string;
  readonly skip: number;
  /** What stood there before. */
  readonly typed: string;
}

/**
 * Obeys keys: edits a line, recalls and finds earlier ones. It draws nothing. Node's readline, which did this before, cuts
 * emoji in two, takes each line of a paste for an Enter and cannot be drawn together with what comes in; no library that is
 * kept up does all three.
 */
export class LineEditor {
  readonly #line = new Line();
  #search: Search | undefined;

  /** @param recall what Up brings back; undefined where nothing is to be recalled */
  constructor(private readonly recall: Recall | undefined) {}

  get text(): string {
    return this.#line.text;
  }

  get cursor(): number {
    return this.#line.cursor;
  }

  /** What stands in front of the text while an earlier line is looked for; undefined otherwise. */
  get searchPrompt(): string | undefined {
    if (!this.#search) return undefined;
    const { part, skip } = this.#search;
    const found = part === '' || this.recall?.find(part, skip) !== undefined;
    return `${found ? 'Search' : 'Nothing with'} '${part}': `;
  }

  /** Puts text behind the cursor, as if it were typed. */
  insert(text: string): void {
    this.#line.insert(text);
  }

  press(key: Key): Request | undefined {
    if (key.type === 'position') return undefined;
    if (this.#search && this.#searchOn(key, this.#search)) return undefined;
    if (key.type !== 'press') return this.#line.insert(key.text) ?? undefined;
    return this.#obey(key.name);
  }

  #obey(name: KeyName): Request | undefined {
    const line = this.#line;
    switch (name) {
      case 'enter':
        return 'enter';
      case 'tab':
        return 'complete';
      case 'ctrl-l':
        return 'clear-screen';
      case 'ctrl-z':
        return 'suspend';
      case 'ctrl-c':
        if (line.isEmpty) return 'interrupt';
        this.recall?.rewind();
        line.set('');
        break;
      case 'ctrl-d':
        if (line.isEmpty) return 'end';
        line.delete();
        break;
      case 'line-break':
        line.insert('\n');
        break;
      case 'left':
        line.left();
        break;
      case 'right':
        line.right();
        break;
      case 'word-left':
        line.wordLeft();
        break;
      case 'word-right':
        line.wordRight();
        break;
      case 'up':
        if (!line.up()) this.#replace(this.recall?.older(line.text));
        break;
      case 'down':
        if (!line.down()) this.#replace(this.recall?.newer());
        break;
      case 'page-up':
        if (!line.text.includes('\n')) return 'older';
        for (let i = 0; i < PAGE; i++) line.up();
        break;
      case 'page-down':
        if (!line.text.includes('\n')) return 'newer';
        for (let i = 0; i < PAGE; i++) line.down();
        break;
      case 'home':
      case 'ctrl-a':
        line.home();
        break;
      case 'end':
      case 'ctrl-e':
        line.end();
        break;
      case 'backspace':
        line.backspace();
        break;
      case 'delete':
        line.delete();
        break;
      case 'ctrl-k':
        line.cutToEnd();
        break;
      case 'ctrl-u':
        line.cutToStart();
        break;
      case 'ctrl-w':
        line.cutWord();
        break;
      case 'ctrl-y':
        line.paste();
        break;
      case 'ctrl-r':
        if (this.recall) this.#search = { part: '', skip: 0, typed: line.text };
        break;
    }
    return undefined;
  }

  /** @returns false when the key ends the search, and then does what it always does */
  #searchOn(key: Exclude<Key, { type: 'position' }>, search: Search): boolean {
    const { part, skip, typed } = search;
    if (key.type !== 'press') return this.#find({ part: part + key.text, skip: 0, typed });
    switch (key.name) {
      case 'backspace':
        return this.#find({ part: [...part].slice(0, -1).join(''), skip: 0, typed });
      case 'ctrl-r':
        return this.recall?.find(part, skip + 1) === undefined || this.#find({ part, skip: skip + 1, typed });
      case 'ctrl-c':
      case 'ctrl-g':
        this.#search = undefined;
        this.#line.set(typed);
        return true;
      case 'escape':
      case 'tab':
        this.#search = undefined;
        return true;
      default:
        this.#search = undefined;
        return false;
    }
  }

  #find(search: Search): true {
    this.#search = search;
    this.#replace(this.recall?.find(search.part, search.skip));
    return true;
  }

  #replace(text: string | undefined): void {
    if (text !== undefined) this.#line.set(text);
  }
}

/** So many lines are a page of a text that is being typed. */
const PAGE = 10;
