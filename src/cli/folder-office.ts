import { EngineUnavailable, EngineUnusable, type Seq } from '../engine/engine.js';
import { openLmdbEngine } from '../engine/lmdb/index.js';
import type { Account as HubAccount } from '../hub/access/accounts.js';
import { NOBODY } from '../hub/access/authenticator.js';
import type { Ban as HubBan } from '../hub/access/bans.js';
import type { Caller } from '../hub/access/caller.js';
import type { Key as HubKey } from '../hub/access/keys.js';
import { isPermission, PERMISSION_RULE, Permissions } from '../hub/access/permissions.js';
import type { Administration } from '../hub/administration.js';
import type { ClientIndex } from '../hub/client-index.js';
import { isClientName } from '../hub/client-name.js';
import type { AuditPage } from '../hub/audit.js';
import { HubError, InvalidRequest } from '../hub/errors.js';
import { Hub } from '../hub/hub.js';
import { AUDIT } from '../hub/topics.js';
import type { Account, Ban, Key } from '../sdk/index.js';
import { CommandError, ExitCode } from './exit-code.js';
import type { Office } from './office.js';

/** Whoever can use the folder runs the server. */
const OPERATOR: Caller = { ...NOBODY, kind: 'operator', may: new Permissions(['admin']) };

/** How much a server keeps is its own business: nothing is trimmed, and nobody leaves, while it is opened for this. Milliseconds. */
const LONG = 365 * 24 * 60 * 60 * 1000;
const GRACE = 7 * 24 * 60 * 60 * 1000;
const KEEP = { maxEntries: Number.MAX_SAFE_INTEGER, maxAge: 100 * LONG, dedupWindow: 10 * 60 * 1000, forever: [AUDIT] };

/** So many entries of the audit log are read at a time. */
const PAGE = 1_000;

const START = 0 as Seq;

/** For the queue of those who have passwords hashed: nobody else is in it. */
const LANE = 'operator';

/**
 * A data folder that no server uses, which is made if it is not there, to do directly what the API does. It is opened when something
 * is done first: not while somebody is thinking of a password. To be closed. All throw CommandError.
 * @param given the secret that the server is given; undefined where the folder keeps one
 */
export function folderOffice(folder: string, given: string | undefined): Office {
  let opened: ReturnType<typeof open> | undefined;
  const administration = async () => (await (opened ??= open(folder, given))).administration;
  const close = async () => {
    // One that could not be opened left nothing open.
    const hub = await opened?.catch(() => undefined);
    await hub?.close();
  };
  return { ...officeOf(administration), place: folder, isPersonal: false, close };
}

async function open(folder: string, given: string | undefined) {
  const engine = await openLmdbEngine({ folder, retention: KEEP });
  try {
    const hub = await Hub.open(engine, { secret: given ?? (await engine.secret()), grace: GRACE });
    const close = async () => {
      hub.close();
      await engine.close();
    };
    return { administration: hub.administration, close };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function officeOf(administration: () => Promise<Administration>): Pick<Office, 'accounts' | 'keys' | 'moderation'> {
  return {
    accounts: {
      add: (name, password, { may } = {}) =>
        saying(async () => {
          assertName(name);
          assertPermissions(may ?? []);
          return accountJson(await (await administration()).addAccount(OPERATOR, name, password, may, LANE));
        }),
      list: () => saying(async () => (await administration()).listAccounts().map(accountJson)),
      remove: (name) => saying(async () => (await administration()).removeAccount(OPERATOR, name)),
      setPassword: (name, password) =>
        saying(async () => (await administration()).setPassword(OPERATOR, name, password, LANE)),
    },
    keys: {
      add: (name, may, { expiresAt } = {}) =>
        saying(async () => {
          assertName(name);
          assertPermissions(may);
          const made = await (await administration()).addKey(OPERATOR, name, may, expiresAt?.getTime() ?? null);
          return { ...keyJson(made.key), key: made.text };
        }),
      list: () => saying(async () => (await administration()).listKeys().map(keyJson)),
      revoke: (which) => saying(async () => (await administration()).revokeKey(OPERATOR, which)),
    },
    moderation: {
      ban: ({ seconds, reason = null, ...whom }) =>
        saying(async () => {
          const target = 'client' in whom ? { client: whom.client as ClientIndex } : whom;
          return banJson(await (await administration()).ban(OPERATOR, { ...target, duration: seconds * 1000, reason }));
        }),
      bans: () => saying(async () => (await administration()).listBans().map(banJson)),
      liftBan: (id) => saying(async () => (await administration()).liftBan(OPERATOR, id)),
      async *audit() {
        let after: Seq | null = START;
        while (after !== null) {
          const page: AuditPage = await readAudit(administration, after);
          for (const { seq, at, ...entry } of page.entries) yield { id: String(seq), at: time(at), ...entry };
          after = page.next;
        }
      },
    },
  };
}

function readAudit(administration: () => Promise<Administration>, after: Seq): Promise<AuditPage> {
  return saying(async () => (await administration()).readAudit(after, PAGE));
}

/** What is refused, as the commands say it. */
async function saying<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof InvalidRequest) throw new CommandError(`${error.path} ${error.reason}.`, ExitCode.failed);
    if (error instanceof HubError || error instanceof EngineUnusable || error instanceof EngineUnavailable) {
      const isAbsent = error instanceof HubError && ['no-such-client', 'client-gone'].includes(error.code);
      throw new CommandError(error.message, isAbsent ? ExitCode.notThere : ExitCode.failed);
    }
    throw error;
  }
}

function assertName(name: string): void {
  if (!isClientName(name)) {
    throw new InvalidRequest('name', 'must be 1 to 64 printable characters, with no space at either end');
  }
}

function assertPermissions(may: readonly string[]): void {
  const wrong = may.find((text) => !isPermission(text));
  if (wrong !== undefined) throw new InvalidRequest(`may: ${wrong}`, PERMISSION_RULE);
}

function accountJson({ name, may, createdAt }: HubAccount): Account {
  return { name, may, createdAt: time(createdAt) };
}

function keyJson({ id, name, may, createdAt, expiresAt, usedAt }: HubKey): Key {
  return {
    id,
    name,
    may,
    createdAt: time(createdAt),
    expiresAt: expiresAt === null ? null : time(expiresAt),
    usedAt: usedAt === null ? null : time(usedAt),
  };
}

function banJson({ id, target, until, reason, by, createdAt }: HubBan): Ban {
  const whom = 'address' in target ? `address ${target.address}` : target.name;
  return { id, whom, until: time(until), reason, by, createdAt: time(createdAt) };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
