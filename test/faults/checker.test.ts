import t from 'tap';
import { type Book, faultsOf, type Gap, type Life, type Received } from './checker.js';

const BOOK: Book = {
  acknowledged: [
    { id: 1, to: 'client 1', text: 'a' },
    { id: 2, to: 'room 1', text: 'b' },
    { id: 4, to: 'client 2', text: 'd' },
    { id: 5, to: 'room 1', text: 'e' },
  ],
  unknown: new Set(['c']),
};

const A = received(1, 'client 1', 'a');
const B = received(2, 'room 1', 'b');
const C = received(3, 'room 1', 'c');
const D = received(4, 'client 2', 'd');
const E = received(5, 'room 1', 'e');

function received(id: number, to: string, text: string, place = id): Received {
  return { id, place, to, text };
}

function life(index: number, received: readonly Received[], more: Partial<Life> = {}): Life {
  const welcomes = [
    { index, resumed: false },
    { index, resumed: true },
  ];
  return { index, targets: [`client ${index}`, 'room 1'], received, welcomes, gaps: [], ...more };
}

/** What is found where the second of two clients has got all, and the first this. */
function kindsOf(first: Life): string[] {
  return faultsOf(BOOK, [first, life(2, [B, C, D, E])]).map((fault) => fault.split(':')[0] as string);
}

void t.test('what went well passes', async (t) => {
  t.same(kindsOf(life(1, [A, B, C, E])), []);
  t.same(kindsOf(life(1, [A, B, E])), [], 'of what was not answered nobody knows whether it comes');
  t.same(kindsOf(life(1, [B, received(1, 'client 1', 'a', 2), E])), [], 'late, and the cursor says so');
});

void t.test('what is planted is found', async (t) => {
  t.same(kindsOf(life(1, [A, B, C])), ['lost']);
  t.same(kindsOf(life(1, [])), ['lost', 'lost', 'lost']);
  t.same(kindsOf(life(1, [A, received(9, 'room 1', 'b'), received(10, 'room 1', 'e')])), ['renumbered', 'renumbered']);
  t.same(kindsOf(life(1, [A, received(5, 'room 1', 'e'), received(2, 'room 1', 'b', 5)])), ['swapped']);
  t.same(kindsOf(life(1, [B, A, E])), ['cursor']);
  t.same(kindsOf(life(1, [A, B, B, E])), ['repeated']);
  t.same(kindsOf(life(1, [A, B, E, received(6, 'room 1', 'e')])).sort(), ['renumbered', 'repeated']);
  t.same(kindsOf(life(1, [A, B, D, E])), ['foreign'], "another's");
  t.same(kindsOf(life(1, [A, B, received(4, 'client 1', 'd'), E])), ['foreign'], "another's, as if it were its own");
  t.same(kindsOf(life(1, [A, B, received(4, 'room 1', 'nobody sent it'), E])), ['foreign']);
  t.same(kindsOf(life(1, [A, B, E], { gaps: [{ after: 0, oldest: 1, to: null }] })), ['gap']);
  t.same(
    kindsOf(
      life(1, [A, B, E], {
        welcomes: [
          { index: 1, resumed: false },
          { index: 3, resumed: false },
        ],
      }),
    ),
    ['welcome'],
  );
  t.match(faultsOf(BOOK, [life(1, [A, B, E]), life(1, [A, B, E])]), [/2 readers have 1 indexes/]);
});

void t.test('what is no longer kept may be missed, where that was said', async (t) => {
  const missing = (gaps: readonly Gap[]) => {
    const first = life(1, [B, E], { gaps });
    return faultsOf(BOOK, [first, life(2, [B, D, E])], [first]);
  };
  t.same(missing([{ after: 0, oldest: 2, to: null }]), []);
  t.same(missing([{ after: 0, oldest: 2, to: 'client 1' }]), []);
  t.same(missing([{ after: 0, oldest: null, to: 'client 1' }]), []);
  t.match(missing([]), [/^lost: client 1 has no 1 /]);
  t.match(missing([{ after: 0, oldest: 2, to: 'room 1' }]), [/^lost/], 'it was said of others');
  t.match(missing([{ after: 0, oldest: 1, to: null }]), [/^lost/], 'it was said of older ones');
  t.match(missing([{ after: 1, oldest: 3, to: null }]), [/^lost/], 'it was said of newer ones');
});
