import t from 'tap';
import { type Key, KeyDecoder } from '../../src/cli/terminal/key.js';
import { LineEditor } from '../../src/cli/terminal/line-editor.js';
import { Recall } from '../../src/cli/terminal/recall.js';
import { ALT_ENTER, CTRL_C, CTRL_D, CTRL_R, CTRL_U, DOWN, LEFT, RIGHT, UP } from './keys.js';

const [HOME, END, WORD_LEFT, WORD_RIGHT] = ['\x1b[H', '\x1b[F', '\x1bb', '\x1b[1;5C'];
const [CTRL_A, CTRL_E, CTRL_K, CTRL_W, CTRL_Y, CTRL_G] = ['\x01', '\x05', '\x0b', '\x17', '\x19', '\x07'];
const [BACKSPACE, DELETE] = ['\x7f', '\x1b[3~'];

function keysOf(bytes: string): Key[] {
  return new KeyDecoder().decode(Buffer.from(bytes));
}

/** What stands there after these keys, with a bar for the cursor. */
function typed(bytes: string, editor = new LineEditor(new Recall())): string {
  for (const key of keysOf(bytes)) editor.press(key);
  return `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`;
}

function recallOf(...lines: string[]): Recall {
  const recall = new Recall();
  for (const line of lines) recall.add(line);
  return recall;
}

void t.test('the cursor moves by what people take for characters', async (t) => {
  for (const character of ['é', 'e\u0301', '漢', '👩‍👩‍👧', '🇩🇪', 'नि']) {
    t.equal(typed(`a${character}b${LEFT}${LEFT}`), `a|${character}b`, character);
    t.equal(typed(`a${character}b${HOME}${RIGHT}${RIGHT}`), `a${character}|b`);
    t.equal(typed(`a${character}${BACKSPACE}`), 'a|');
    t.equal(typed(`a${character}${HOME}${RIGHT}${DELETE}`), 'a|');
  }
});

void t.test('the keys of a shell', async (t) => {
  t.equal(typed(`one two${CTRL_A}x`), 'x|one two');
  t.equal(typed(`one two${HOME}${END}x`), 'one twox|');
  t.equal(typed(`one two${CTRL_A}${CTRL_E}x`), 'one twox|');
  t.equal(typed(`one two${WORD_LEFT}${CTRL_U}`), '|two');
  t.equal(typed(`one two${WORD_LEFT}${CTRL_K}`), 'one |');
  t.equal(typed(`one two-three${CTRL_W}`), 'one |');
  t.equal(typed(`one two${CTRL_W}${CTRL_A}${CTRL_Y}`), 'two|one ');
  t.equal(typed(`one two${WORD_LEFT}${WORD_LEFT}${WORD_RIGHT}`), 'one| two');
  t.equal(typed(`one${HOME}${CTRL_D}`), '|ne');
  t.equal(typed(`one${CTRL_C}`), '|');
  t.equal(typed('one\x1b[24~\x1bOP\x00\x1b[1;2R two'), 'one two|', 'keys that mean nothing are no text');
});

void t.test('a text of several lines', async (t) => {
  t.equal(typed(`one${ALT_ENTER}two`), 'one\ntwo|');
  t.equal(typed(`one${ALT_ENTER}two${UP}x`), 'onex|\ntwo');
  t.equal(typed(`one${ALT_ENTER}two${UP}${DOWN}x`), 'one\ntwox|');
  t.equal(typed(`one${ALT_ENTER}two${HOME}x`), 'one\nx|two');
  t.equal(typed(`one${ALT_ENTER}two${HOME}${BACKSPACE}`), 'one|two');
  t.equal(typed(`one${ALT_ENTER}two${HOME}${LEFT}${DELETE}`), 'one|two');
  t.equal(typed(`漢漢漢${ALT_ENTER}a${UP}`), '漢|漢漢\na');
});

void t.test('what is pasted is text, whatever is in it, and in how many pieces it comes', async (t) => {
  const bytes = Buffer.from('\x1b[200~one\r\ntwo\rthree\tÜ 漢\x03\x1b[A\x1b[201~!');
  for (let size = 1; size <= bytes.length; size++) {
    const decoder = new KeyDecoder();
    const editor = new LineEditor(new Recall());
    for (let at = 0; at < bytes.length; at += size) {
      for (const key of decoder.decode(bytes.subarray(at, at + size))) editor.press(key);
    }
    t.equal(editor.text, 'one\ntwo\nthree\tÜ 漢\x03\x1b[A!', `in pieces of ${size}`);
  }
});

void t.test('earlier lines come back, and then what was being typed', async (t) => {
  const recall = recallOf('LIST', 'SEND 2 one', 'LIST', 'ROOMS');
  t.equal(typed(`typ${UP}`, new LineEditor(recall)), 'ROOMS|');
  recall.rewind();
  t.equal(typed(`typ${UP}${UP}${UP}${UP}${UP}`, new LineEditor(recall)), 'SEND 2 one|', 'LIST only once');
  recall.rewind();
  t.equal(typed(`typ${UP}${UP}${DOWN}${DOWN}${DOWN}`, new LineEditor(recall)), 'typ|');
  t.equal(typed(`typ${UP}`, new LineEditor(undefined)), 'typ|');
});

void t.test('Ctrl-R finds what was entered', async (t) => {
  const recall = recallOf('SEND 2 one', 'SEND 2 two', 'LIST');
  t.equal(typed(`${CTRL_R}send`, new LineEditor(recall)), 'SEND 2 two|');
  t.equal(typed(`${CTRL_R}send${CTRL_R}`, new LineEditor(recall)), 'SEND 2 one|');
  t.equal(typed(`${CTRL_R}send${CTRL_R}${CTRL_R}`, new LineEditor(recall)), 'SEND 2 one|', 'there is no older one');
  t.equal(typed(`typ${CTRL_R}send${CTRL_G}`, new LineEditor(recall)), 'typ|');
  t.equal(typed(`${CTRL_R}one${LEFT}x`, new LineEditor(recall)), 'SEND 2 onx|e');
  const editor = new LineEditor(recall);
  typed(`${CTRL_R}nothing like it`, editor);
  t.equal(editor.searchPrompt, "Nothing with 'nothing like it': ");
});

void t.test('what a key asks of the screen', async (t) => {
  for (const [bytes, request] of [
    ['\r', 'enter'],
    ['\n', 'enter'],
    ['\t', 'complete'],
    ['\x0c', 'clear-screen'],
    [CTRL_C, 'interrupt'],
    [CTRL_D, 'end'],
    ['\x1a', 'suspend'],
  ] as const) {
    t.strictSame(
      keysOf(bytes).map((key) => new LineEditor(undefined).press(key)),
      [request],
    );
  }
});

void t.test('where the cursor stands is no key', async (t) => {
  t.strictSame(keysOf('a\x1b[5;10Rb'), [
    { type: 'text', text: 'a' },
    { type: 'position', column: 9 },
    { type: 'text', text: 'b' },
  ]);
  t.equal(typed('a\x1b[5;10Rb'), 'ab|');
});
