import stringWidth from 'string-width';
import { visible } from '../visible.js';

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** As wide as a tabulator is drawn. */
const TAB = '    ';

/** A row of a terminal, as it is to be drawn. */
interface Row {
  readonly text: string;
  /** Where in its line it begins, in UTF-16 units. */
  readonly start: number;
}

export interface Layout {
  readonly rows: readonly string[];
  readonly cursorRow: number;
  /** Less than the number of columns. */
  readonly cursorColumn: number;
}

/**
 * Lays text out in rows of so many columns, by how wide each character is on a terminal; what a terminal would obey is made
 * visible. What a line came to is remembered, so that to type at the end of a long text is as fast as at its beginning.
 */
export class LayoutEngine {
  #columns = 0;
  #known = new Map<string, readonly Row[]>();

  /** @param cursor in UTF-16 units */
  layOut(text: string, cursor: number, columns: number): Layout {
    if (columns !== this.#columns) this.#known.clear();
    this.#columns = columns;
    const known = new Map<string, readonly Row[]>();
    const rows: string[] = [];
    let [cursorRow, cursorColumn, start] = [0, 0, 0];
    for (const line of text.split('\n')) {
      const laid = this.#known.get(line) ?? rowsOf(line, columns);
      known.set(line, laid);
      const offset = cursor - start;
      if (offset >= 0 && offset <= line.length) {
        const at = laid.findLastIndex((row) => row.start <= offset);
        cursorRow = rows.length + at;
        cursorColumn = stringWidth(shown(line.slice(laid[at]?.start, offset)));
      }
      for (const row of laid) rows.push(row.text);
      start += line.length + 1;
    }
    // Only what is there now: each key makes another line.
    this.#known = known;
    return { rows, cursorRow, cursorColumn };
  }
}

/** The part of a layout that a window of this size shows: around the cursor, with how much there is above and below. */
export function windowOf({ rows, cursorRow, cursorColumn }: Layout, height: number, columns: number): Layout {
  if (rows.length <= height) return { rows, cursorRow, cursorColumn };
  const start = Math.max(0, Math.min(cursorRow - height + 2, rows.length - height));
  const shown = rows.slice(start, start + height);
  const below = rows.length - start - height;
  // In a window of two rows the cursor could stand where it is said.
  if (height > 2) {
    if (start > 0) shown[0] = `(${start + 1} more above)`.slice(0, columns);
    if (below > 0) shown[height - 1] = `(${below + 1} more below)`.slice(0, columns);
  }
  return { rows: shown, cursorRow: cursorRow - start, cursorColumn };
}

function rowsOf(line: string, columns: number): Row[] {
  const rows: Row[] = [];
  // Where each character is one column wide, nothing needs to be measured.
  if (/^[\x20-\x7e]*$/.test(line)) {
    for (let start = 0; start <= line.length; start += columns) {
      rows.push({ text: line.slice(start, start + columns), start });
    }
    return rows;
  }
  let [text, start, width] = ['', 0, 0];
  for (const { segment, index } of GRAPHEMES.segment(line)) {
    const cell = shown(segment);
    const wide = stringWidth(cell);
    if (width + wide > columns && width > 0) {
      rows.push({ text, start });
      [text, start, width] = ['', index, 0];
    }
    text += cell;
    width += wide;
  }
  rows.push({ text, start });
  // The cursor behind a full row stands in the next.
  if (width >= columns) rows.push({ text: '', start: line.length });
  return rows;
}

function shown(text: string): string {
  return visible(text).replaceAll('\t', TAB);
}
