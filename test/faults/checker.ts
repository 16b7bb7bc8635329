/** Whom a message is for, such as `client 7` or `room 3`. */
export type Target = string;

/** A message that was answered 201. */
export interface Acknowledged {
  readonly id: number;
  readonly to: Target;
  readonly text: string;
}

/** A message as a reader got it. */
export interface Received {
  readonly id: number;
  /** The place in the cursor that came with it, from which its reader would go on. */
  readonly place: number;
  readonly to: Target;
  readonly text: string;
}

/** All that one client got over its whole life, on however many connections. */
export interface Life {
  readonly index: number;
  /** What it is addressed by. */
  readonly targets: readonly Target[];
  readonly received: readonly Received[];
  /** For each connection: as which client it was welcomed, and whether as one that comes back. */
  readonly welcomes: readonly { readonly index: number; readonly resumed: boolean }[];
  readonly gaps: readonly Gap[];
}

/** What a reader was told it would not get any more: messages between these ids. */
export interface Gap {
  readonly after: number;
  /** Null where none is kept. */
  readonly oldest: number | null;
  /** Null where it is whatever they were sent to. */
  readonly to: Target | null;
}

/** What was sent. */
export interface Book {
  readonly acknowledged: readonly Acknowledged[];
  /** Texts that were sent and never answered 201: nobody knows whether they come. */
  readonly unknown: ReadonlySet<string>;
}

/**
 * Holds what came against what was sent.
 * @param mayMiss those who were away for longer than messages are kept: they have to be told of all that they missed
 * @returns what is wrong, in words; nothing where all is well
 */
export function faultsOf(book: Book, lives: readonly Life[], mayMiss: readonly Life[] = []): string[] {
  const byTarget = new Map<Target, Acknowledged[]>();
  for (const one of book.acknowledged) byTarget.set(one.to, [...(byTarget.get(one.to) ?? []), one]);
  const targetOf = new Map(book.acknowledged.map(({ text, to }) => [text, to]));
  const faults = lives.flatMap((life) => [
    ...lost(life, byTarget),
    ...disordered(life),
    ...foreign(life, targetOf, book.unknown),
    ...unsteady(life),
    ...(mayMiss.includes(life) ? [] : gaps(life)),
  ]);
  const indexes = new Set(lives.map(({ index }) => index));
  if (indexes.size < lives.length) faults.push(`${lives.length} readers have ${indexes.size} indexes`);
  return faults;
}

function gaps({ index, gaps }: Life): string[] {
  return gaps.map((gap) => `gap: client ${index} was told of ${JSON.stringify(gap)}`);
}

function* lost(
  { index, targets, received, gaps }: Life,
  byTarget: ReadonlyMap<Target, Acknowledged[]>,
): Iterable<string> {
  const ids = new Map(received.map(({ text, id }) => [text, id]));
  for (const { id, to, text } of targets.flatMap((target) => byTarget.get(target) ?? [])) {
    const came = ids.get(text);
    if (came === undefined) {
      if (!wasTold(gaps, { id, to })) yield `lost: client ${index} has no ${id} (${text}) to ${to}`;
    } else if (came !== id) yield `renumbered: client ${index} has ${text} as ${came}, not as ${id}`;
  }
}

/** Whether one of these gaps says that this message is missed. */
export function wasTold(gaps: readonly Gap[], { id, to }: Pick<Acknowledged, 'id' | 'to'>): boolean {
  return gaps.some(
    (gap) => id > gap.after && (gap.oldest === null || id < gap.oldest) && (gap.to === null || gap.to === to),
  );
}

/**
 * Whoever leads the log may change while messages of several targets are on their way; one may be told after others then,
 * with the cursor of the last of those. Of one target all come in order, and no cursor goes back. A reader that keeps what it
 * has whole, and its cursor with it, is never given anything twice.
 */
function* disordered({ index, received }: Life): Iterable<string> {
  const ids = new Set<number>();
  const texts = new Set<string>();
  const last = new Map<Target, number>();
  let place = 0;
  for (const one of received) {
    if (ids.has(one.id) || texts.has(one.text)) yield `repeated: client ${index} has ${one.id} (${one.text}) again`;
    else if (one.id <= (last.get(one.to) ?? 0)) {
      yield `swapped: client ${index} has ${one.id} to ${one.to} after ${last.get(one.to)}`;
    }
    if (one.place < place || one.place < one.id) {
      yield `cursor: client ${index} has ${one.id} with the cursor ${one.place} after ${place}`;
    }
    ids.add(one.id);
    texts.add(one.text);
    last.set(one.to, Math.max(one.id, last.get(one.to) ?? 0));
    place = Math.max(place, one.place);
  }
}

function* foreign(
  { index, targets, received }: Life,
  targetOf: ReadonlyMap<string, Target>,
  unknown: ReadonlySet<string>,
): Iterable<string> {
  for (const { id, to, text } of received) {
    const sentTo = targetOf.get(text);
    const isSent = sentTo === undefined ? unknown.has(text) : sentTo === to;
    if (!isSent || !targets.includes(to)) yield `foreign: client ${index} has ${id} (${text}) to ${to}`;
  }
}

function* unsteady({ index, welcomes }: Life): Iterable<string> {
  for (const [at, welcome] of welcomes.entries()) {
    if (welcome.index === index && welcome.resumed === at > 0) continue;
    yield `welcome: client ${index} was ${welcome.index} on connection ${at}, ${welcome.resumed ? '' : 'not '}resumed`;
  }
}

/** How many came after one that is behind them in the log. */
export function lateOf({ received }: Life): number {
  return received.filter(({ id, place }) => id < place).length;
}
