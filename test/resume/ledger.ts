import type { Test } from 'tap';
import type { Inbox } from './inbox.js';
import type { Acknowledged, Sender } from './senders.js';

/** Waits until everybody has what was sent to it and acknowledged, then holds what came against what was sent. */
export async function settle(t: Test, inboxes: readonly Inbox[], senders: readonly Sender[]): Promise<void> {
  await Promise.all(senders.map((sender) => sender.stop()));
  const sent = new Map<number, Acknowledged[]>(inboxes.map(({ index }) => [index, []]));
  for (const sender of senders) for (const one of sender.acknowledged) sent.get(one.to)?.push(one);
  const refused = new Set(senders.flatMap((sender) => [...sender.refused]));
  const unknown = new Set(senders.flatMap((sender) => [...sender.unknown]));
  for (const inbox of inboxes) {
    const expected = sent.get(inbox.index) ?? [];
    const last = expected.reduce((highest, { id }) => Math.max(highest, Number(id)), 0);
    // In order, so nothing that is still missing then is on its way. What came out of order would fail below.
    await inbox.until(({ messages }) => Number(messages.at(-1)?.id ?? 0) >= last);
    check(t, inbox, expected, unknown, refused);
  }
  const failures = senders.map(
    ({ name, failures: why }) => `${name}: ${[...why].map(([code, n]) => `${n} ${code}`).join(', ')}`,
  );
  t.comment(
    `${senders.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0)} acknowledged, ` +
      `${unknown.size} not known of; failed tries by sender: ${failures.join('; ')}`,
  );
  for (const { kind, messages, welcomes } of inboxes) {
    t.comment(`${kind}: ${messages.length} messages on ${welcomes.length} connections`);
  }
}

function check(
  t: Test,
  { kind, index, messages, welcomes, gaps }: Inbox,
  expected: readonly Acknowledged[],
  unknown: ReadonlySet<string>,
  refused: ReadonlySet<string>,
): void {
  // Counted rather than asserted one by one: there are tens of thousands.
  const texts = new Map(messages.map(({ id, text }) => [text, id]));
  const missing = expected.filter(({ text, id }) => texts.get(text) !== id);
  t.same(
    missing.slice(0, 3),
    [],
    `${kind}: nothing that was acknowledged is missing (${missing.length} of ${expected.length})`,
  );
  const unordered = messages.filter(({ id }, at) => at > 0 && Number(id) <= Number(messages[at - 1]?.id));
  t.same(unordered.slice(0, 3), [], `${kind}: in ascending order, nothing twice`);
  t.equal(texts.size, messages.length, `${kind}: no text twice`);
  const known = new Set(expected.map(({ text }) => text));
  const strange = messages.filter(
    ({ to, text = '' }) => (to as { client?: number }).client !== index || !(known.has(text) || unknown.has(text)),
  );
  t.same(strange.slice(0, 3), [], `${kind}: nothing that was not sent to it`);
  t.same(messages.filter(({ text = '' }) => refused.has(text)).slice(0, 3), [], `${kind}: nothing that was refused`);
  t.equal(gaps, 0, `${kind}: no gap`);
  const { token } = welcomes[0] as { token: string };
  t.same(
    welcomes.map(({ client, resumed, token: again }) => [client.index, resumed, again === token]),
    welcomes.map((_, at) => [index, at > 0, true]),
    `${kind}: the same client on every connection`,
  );
}
