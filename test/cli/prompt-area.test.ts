import fc from 'fast-check';
import t from 'tap';
import { LayoutEngine, windowOf } from '../../src/cli/terminal/layout.js';
import { Line } from '../../src/cli/terminal/line.js';
import { PromptArea } from '../../src/cli/terminal/prompt-area.js';
import { emulator, rowsOf } from './emulator.js';

const LABEL = 'Prompt> ';

type Step = { readonly insert: string } | { readonly print: string } | { readonly press: keyof Line & Pressable };
type Pressable = 'left' | 'up' | 'down' | 'home' | 'end' | 'backspace' | 'cutWord' | 'cutToEnd';

const pieces = ['a', 'hello ', '漢字', '漢', '🎉', 'e\u0301', '\n', 'x'.repeat(30), '\t', '\x1b[2J', 'é', '한국어'];
const presses: Pressable[] = ['left', 'left', 'up', 'down', 'home', 'end', 'backspace', 'cutWord', 'cutToEnd'];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...pieces).map((insert) => ({ insert })) },
  { weight: 2, arbitrary: fc.constantFrom(...presses).map((press) => ({ press })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 150 }).map((length) => ({ print: 'm'.repeat(length) })) },
);

void t.test('whatever is typed and comes in, one sees what came, and below it what is typed', async (t) => {
  const columnsOf = fc.integer({ min: 10, max: 80 });
  const rowsOfWindow = fc.integer({ min: 4, max: 24 });
  await fc.assert(
    fc.asyncProperty(columnsOf, rowsOfWindow, fc.array(step, { maxLength: 40 }), async (columns, rows, steps) => {
      const terminal = emulator(columns, rows);
      const [area, line, printed] = [new PromptArea(), new Line(), [] as string[]];
      for (const next of steps) {
        if ('insert' in next) line.insert(next.insert);
        else if ('press' in next) line[next.press]();
        else printed.push(next.print);
        const above = 'print' in next ? `${next.print}\r\n` : '';
        const drawn = area.draw({ label: LABEL, text: line.text, cursor: line.cursor }, { columns, rows }, above);
        await new Promise<void>((resolve) => terminal.write(drawn, resolve));
      }
      if (steps.length === 0) return;
      const layout = new LayoutEngine().layOut(LABEL + line.text, LABEL.length + line.cursor, columns);
      const typed = windowOf(layout, Math.max(1, Math.floor(rows / 2)), columns);
      const cut = (text: string) =>
        Array.from({ length: Math.ceil(text.length / columns) }, (_, at) =>
          text.slice(at * columns, (at + 1) * columns),
        );
      const expected = [...printed.flatMap(cut), ...typed.rows].map((row) => row.trimEnd());
      while (expected.at(-1) === '') expected.pop();
      t.strictSame(rowsOf(terminal), expected);
      const { cursorX, cursorY, baseY } = terminal.buffer.active;
      t.equal(cursorX, Math.min(typed.cursorColumn, columns - 1));
      t.equal(baseY + cursorY, printed.flatMap(cut).length + typed.cursorRow);
      if (!t.passing()) throw new Error('that was not to be seen');
      terminal.dispose();
    }),
    { numRuns: 150 },
  );
});

void t.test('after a change of the window nothing is wiped off but the prompt', async (t) => {
  const size = { columns: 80, rows: 24 };
  const drawn = () => {
    const area = new PromptArea();
    area.draw({ label: LABEL, text: 'x'.repeat(60), cursor: 60 }, size);
    return area;
  };
  t.ok(drawn().fits(30, 8), 'the row was wrapped');
  t.ok(drawn().fits(30, 29), 'the row was cut off');
  t.notOk(drawn().fits(30, 18), 'it has another width than it says');
  const erased = (column?: number) => {
    const area = drawn();
    area.resize(30, column);
    return area.erase();
  };
  t.equal(erased(8), '\x1b[2A\r\x1b[J');
  t.equal(erased(), '\x1b[2A\r\x1b[J', 'as most terminals do');
  t.equal(erased(29), '\r\x1b[J');
});
