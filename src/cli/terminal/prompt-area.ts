import stringWidth from 'string-width';
import { type Layout, LayoutEngine, windowOf } from './layout.js';

/** What is to be seen at the bottom of the screen. */
export interface Prompt {
  /** In front of the text. */
  readonly label: string;
  readonly text: string;
  /** Within the text, in UTF-16 units. */
  readonly cursor: number;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Without it, what is drawn in the last column would begin another row on some terminals and not on others. */
const WRAP_OFF = '\x1b[?7l';
const WRAP_ON = '\x1b[?7h';
const ERASE_BELOW = '\x1b[J';

/**
 * The rows at the bottom where somebody types. It makes the bytes that draw them, wipe them off, and put lines above them;
 * to be written in one piece, so that nobody sees one without the other.
 */
export class PromptArea {
  readonly #engine = new LayoutEngine();
  /** What is drawn; undefined while nothing is. */
  #drawn: Layout | undefined;

  /** Draws anew. @param above whole lines to put above it, with a line break at their end */
  draw({ label, text, cursor }: Prompt, { columns, rows }: Size, above = ''): string {
    const whole = this.#engine.layOut(label + text, label.length + cursor, columns);
    // What comes in has to be seen, too, while a long text is typed.
    const layout = windowOf(whole, Math.max(1, Math.floor(rows / 2)), columns);
    const wiped = this.erase();
    this.#drawn = layout;
    const up = layout.rows.length - 1 - layout.cursorRow;
    return `${wiped}${above}${WRAP_OFF}${layout.rows.join('\r\n')}${WRAP_ON}${move(up, 'A')}\r${move(Math.min(layout.cursorColumn, columns - 1), 'C')}`;
  }

  /** Wipes it off; the cursor is then where it began. */
  erase(): string {
    if (!this.#drawn) return '';
    const { cursorRow } = this.#drawn;
    this.#drawn = undefined;
    return `${move(cursorRow, 'A')}\r${ERASE_BELOW}`;
  }

  /** Leaves what is there standing, for good, and goes on below. */
  finish(): string {
    if (!this.#drawn) return '';
    const { rows, cursorRow } = this.#drawn;
    this.#drawn = undefined;
    // A row that was there only for the cursor behind a full one is none.
    const spare = rows.length > 1 && rows.at(-1) === '' && cursorRow === rows.length - 1;
    return spare ? '\r' : `${move(rows.length - 1 - cursorRow, 'B')}\r\n`;
  }

  /**
   * Whether the cursor can stand in this column after a change to so many columns. If not, the terminal has yet another width by
   * now, of which it has not told.
   */
  fits(columns: number, column: number): boolean {
    const { cursorColumn = column } = this.#drawn ?? {};
    return column === cursorColumn % columns || column === Math.min(cursorColumn, columns - 1);
  }

  /**
   * The terminal has another width now. On most, rows that are too long for it have become several, so that the place where it
   * began is higher up. Some leave the row of the cursor as it is, or all of them: that is told by where the cursor stands.
   * @param column of the cursor, as the terminal says; undefined if it does not
   */
  resize(columns: number, column?: number): void {
    if (!this.#drawn) return;
    const { rows, cursorRow, cursorColumn } = this.#drawn;
    const isWrapped = column === undefined || cursorColumn < columns || column === cursorColumn % columns;
    // Rather a row of it is left standing than one wiped off that is not its own.
    if (!isWrapped) return;
    const above = rows.slice(0, cursorRow).map((row) => Math.max(1, Math.ceil(stringWidth(row) / columns)));
    const cursorAt = above.reduce((sum, count) => sum + count, Math.floor(cursorColumn / columns));
    this.#drawn = { rows, cursorRow: cursorAt, cursorColumn: cursorColumn % columns };
  }
}

function move(count: number, direction: 'A' | 'B' | 'C'): string {
  return count > 0 ? `\x1b[${count}${direction}` : '';
}
