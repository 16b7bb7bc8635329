import t from 'tap';
import { Credentials, operatorToken } from '../../src/hub/credentials.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

/** What begins as a credential does, or has the form of a cursor or of a JWT. */
const LOOKS = /\bic[tsko]_[\w-]*|\b\d+\.\d+\.[\w-]{3,}|\beyJ[\w-]+\.[\w.-]*/g;
/** Says what is to stand there, and is none. */
const PLACEHOLDERS = /^(?:ict_\d+_MAC|ics_ID_SECRET|ick_ID_SECRET|ico_MAC|\d+\.\d+\.MAC)$/;
/** What is called so in an answer or a request has a credential in it. */
const NAMES = ['token', 'cursor', 'key', 'secret', 'Last-Event-ID'];

const server = await startServer(t);
const document = (await ask(`${server.url}/openapi.json`)).json;

/** Every text in it, and the name under which it stands. */
function* textsIn(value: unknown, name = ''): Generator<readonly [name: string, text: string]> {
  if (typeof value === 'string') yield [name, value];
  else if (Array.isArray(value)) for (const item of value) yield* textsIn(item, name);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) yield* textsIn(item, key);
}

void t.test('what looks like a credential in the description of the API is a placeholder', async (t) => {
  const found = [...textsIn(document)].flatMap(([, text]) => text.match(LOOKS) ?? []);
  t.ok(found.length > 5, `${found.length} look like one`);
  t.same(
    found.filter((text) => !PLACEHOLDERS.test(text)),
    [],
  );
});

void t.test('and counts nowhere, whatever the secret of a server is', async (t) => {
  const found = new Set([...textsIn(document)].flatMap(([, text]) => [text, ...(text.match(LOOKS) ?? [])]));
  for (const secret of ['x'.repeat(32), 'a secret that is long enough for a test', Buffer.alloc(32)]) {
    const credentials = new Credentials(secret, { epoch: '0', restorations: [] });
    const genuine = [...found].filter(
      (text) =>
        credentials.verifyToken(text) !== undefined ||
        credentials.verifyCursor(text) !== undefined ||
        credentials.isOperator(text) ||
        text.includes(operatorToken(secret)),
    );
    t.same(genuine, []);
    t.equal(credentials.verifyToken(credentials.token(1 as never)), 1, 'a genuine one would be found');
  }
  // Not even the form is that of one, so that no secret there could be makes it genuine.
  const whole = /ict_[1-9]\d*_[\w-]{43}|ic[sk]_[0-9a-f]{18}_[\w-]{43}|ico_[\w-]{43}|\d+\.\d+\.[\w-]{22}/;
  t.same(
    [...found].filter((text) => whole.test(text)),
    [],
  );
});

void t.test('the examples of what has a credential in it have one of those', async (t) => {
  const examples: unknown[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, item] of Object.entries(value) as [string, unknown][]) {
      const its = NAMES.includes(key) ? (item as { examples?: unknown[] } | null)?.examples : undefined;
      if (Array.isArray(its)) examples.push(...its);
      visit(item);
    }
  };
  visit(document);
  t.ok(examples.length > 3, `${examples.length} examples`);
  // A place in a history is called a cursor, too, and is no secret.
  t.same(
    examples.filter((text) => !PLACEHOLDERS.test(String(text)) && !/^\d+$/.test(String(text))),
    [],
  );
});
