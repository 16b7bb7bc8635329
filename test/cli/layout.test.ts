import t from 'tap';
import { LayoutEngine, windowOf } from '../../src/cli/terminal/layout.js';

function layOut(text: string, cursor: number, columns: number) {
  return new LayoutEngine().layOut(text, cursor, columns);
}

void t.test('text is laid out by how wide its characters are', async (t) => {
  t.strictSame(layOut('abc', 3, 10), { rows: ['abc'], cursorRow: 0, cursorColumn: 3 });
  t.strictSame(layOut('abcdef', 4, 4), { rows: ['abcd', 'ef'], cursorRow: 1, cursorColumn: 0 });
  t.strictSame(layOut('abcd', 4, 4), { rows: ['abcd', ''], cursorRow: 1, cursorColumn: 0 });
  t.strictSame(layOut('a漢漢', 3, 4), { rows: ['a漢', '漢'], cursorRow: 1, cursorColumn: 2 }, 'none is cut in two');
  t.strictSame(layOut('漢漢', 2, 4), { rows: ['漢漢', ''], cursorRow: 1, cursorColumn: 0 });
  t.strictSame(layOut('e\u0301e\u0301', 2, 4), { rows: ['e\u0301e\u0301'], cursorRow: 0, cursorColumn: 1 });
  t.strictSame(layOut('ab\ncd', 3, 4), { rows: ['ab', 'cd'], cursorRow: 1, cursorColumn: 0 });
  t.strictSame(layOut('ab\n', 3, 4), { rows: ['ab', ''], cursorRow: 1, cursorColumn: 0 });
});

void t.test('what a terminal would obey is drawn as a picture', async (t) => {
  t.strictSame(layOut('a\x1b[2J', 5, 10).rows, ['a␛[2J']);
  t.strictSame(layOut('a\tb', 2, 10), { rows: ['a    b'], cursorRow: 0, cursorColumn: 5 });
});

void t.test('a long text is seen through a window around the cursor', async (t) => {
  const text = Array.from({ length: 100 }, (_, at) => `line ${at}`).join('\n');
  const engine = new LayoutEngine();
  t.strictSame(windowOf(engine.layOut(text, text.length, 80), 5, 80), {
    rows: ['(96 more above)', 'line 96', 'line 97', 'line 98', 'line 99'],
    cursorRow: 4,
    cursorColumn: 7,
  });
  t.strictSame(windowOf(engine.layOut(text, 0, 80), 5, 80), {
    rows: ['line 0', 'line 1', 'line 2', 'line 3', '(96 more below)'],
    cursorRow: 0,
    cursorColumn: 0,
  });
  t.strictSame(windowOf(engine.layOut(text, text.indexOf('line 50'), 80), 5, 80), {
    rows: ['(48 more above)', 'line 48', 'line 49', 'line 50', '(49 more below)'],
    cursorRow: 3,
    cursorColumn: 0,
  });
  t.equal(windowOf(engine.layOut(text, 0, 10), 5, 10).rows.at(-1), '(96 more b', 'it is no wider than the window');
});
