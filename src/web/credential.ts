import type { Session } from './session.js';

/** Which account the browser is signed in with: its cookie is one for all tabs, and no script can read it. */
const SIGNED_IN = 'interchat@';

/**
 * By what a request says who is asking. A browser that is signed in would send its cookie with all of them, also those of a tab
 * that is another client: so each says whether it is to go.
 */
export interface Credential {
  readonly credentials: 'same-origin' | 'omit';
  /** The token to be sent, by those who have one. */
  token(): string | undefined;
  /** @throws where what the browser would send is not what this is any more */
  assertHolds(): void;
  /** The server has said that it does not hold. */
  refused(): void;
}

/** Nobody's. */
export const NOBODY: Credential = {
  credentials: 'omit',
  token: () => undefined,
  assertHolds: () => undefined,
  refused: () => undefined,
};

/** Whatever session the browser has, if any. */
export const ANY_SESSION: Credential = { ...NOBODY, credentials: 'same-origin' };

/** The token of a client that needs no account, which this tab keeps. */
export class ClientToken implements Credential {
  readonly credentials = 'omit';

  constructor(private readonly session: Session) {}

  token(): string | undefined {
    return this.session.get('token');
  }

  assertHolds(): void {
    // Nobody else changes it.
  }

  refused(): void {
    // Whoever holds the stream finds out.
  }
}

/** The session of an account, in a cookie. */
export class AccountSession implements Credential {
  readonly credentials = 'same-origin';

  /** @param over told that it does not hold any more */
  constructor(
    readonly name: string,
    private readonly over: (why: string) => void,
  ) {}

  token(): undefined {
    return undefined;
  }

  /** Another tab may have signed in as somebody else: what this one sends would be said by them. */
  assertHolds(): void {
    const name = signedInAs();
    if (name === null || name === this.name) return;
    this.over(`${name} has signed in in this browser.`);
    throw new Error(`This browser is signed in as ${name}.`);
  }

  refused(): void {
    this.over('Your session is over.');
  }
}

/** The name of the account that the browser was last signed in with; null where that is not known. */
export function signedInAs(): string | null {
  try {
    return localStorage.getItem(SIGNED_IN);
  } catch {
    return null;
  }
}

/** Tells the other tabs. @param name null for nobody */
export function noteSignedIn(name: string | null): void {
  try {
    if (name === null) localStorage.removeItem(SIGNED_IN);
    else localStorage.setItem(SIGNED_IN, name);
  } catch {
    // They find out when they are refused.
  }
}

/** Calls when another tab has signed in. */
export function whenSignedIn(listener: (name: string | null) => void): void {
  addEventListener('storage', ({ key, newValue }) => {
    if (key === SIGNED_IN) listener(newValue);
  });
}
