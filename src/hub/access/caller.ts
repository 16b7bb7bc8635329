import type { ClientIndex } from '../client-index.js';
import type { Permissions } from './permissions.js';
import { identityIn, keyIn, type Subject } from './subject.js';

/** By what somebody has shown who it is. */
export type CredentialKind = 'none' | 'client' | 'account' | 'key' | 'jwt' | 'operator';

/** Who asks, and what it may do. */
export interface Caller {
  readonly kind: CredentialKind;
  /** The client that it is; null for who has none: nobody, and the operator. */
  readonly index: ClientIndex | null;
  readonly may: Permissions;
  /** Whose lasting client it is: see {@link Clients.ofSubject}; null where its client leaves when it has been away for long. */
  readonly subject: Subject | null;
  /** The account's or the key's, or what a JWT says. */
  readonly name: string | null;
  /** The id of the session it has signed in with. */
  readonly session: string | null;
  /** When the credential ends by itself, in milliseconds since 1970. */
  readonly expiresAt: number | null;
}

/** How an audit log calls it: no secret, and no two are the same. */
export function labelOf({ kind, index, name, subject }: Caller): string {
  switch (kind) {
    case 'account':
      return `account ${name}`;
    case 'key':
      return `key ${name} (${keyIn(subject)})`;
    case 'jwt':
      return `identity ${name ?? ''} (${identityIn(subject)})`;
    case 'client':
      return `client ${index}`;
    default:
      return kind;
  }
}
