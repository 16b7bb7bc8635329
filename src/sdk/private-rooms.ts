import type { CallOptions } from './interchat.js';
import type { ClientInfo, Invitation, RoomInfo } from './resources.js';
import type { Transport } from './transport.js';

/**
 * Rooms that are there to their members alone, for the client whose token this is. To all others there is no such room:
 * `no-such-room` (404). Who is invited enters by {@link InterChat.enter}. Errors as {@link InterChat} has them.
 */
export class PrivateRooms {
  constructor(
    private readonly transport: Transport,
    private readonly token: string | undefined,
  ) {}

  /** Makes one, which is this client's, and enters it. @throws ProblemError `room-exists` (409) */
  make(room: string, { signal }: CallOptions = {}): Promise<RoomInfo> {
    const body = { private: true };
    return this.#call({ method: 'PUT', path: roomPath(room), body, signal });
  }

  /** Lets a client in, which is told by the event `invited`. */
  invite(room: string, index: number, { signal }: CallOptions = {}): Promise<RoomInfo> {
    return this.#call({ method: 'PUT', path: `${roomPath(room)}/invitations/${index}`, signal });
  }

  /** Takes an invitation back; or declines one's own. */
  withdraw(room: string, index: number, { signal }: CallOptions = {}): Promise<void> {
    return this.#call({ method: 'DELETE', path: `${roomPath(room)}/invitations/${index}`, signal });
  }

  /** Who is invited, and has not entered yet. */
  async guests(room: string, { signal }: CallOptions = {}): Promise<readonly ClientInfo[]> {
    const path = `${roomPath(room)}/invitations`;
    return (await this.#call<{ readonly clients: readonly ClientInfo[] }>({ method: 'GET', path, signal })).clients;
  }

  /** To which rooms the client whose token this is is invited. */
  async invitations(index: number, { signal }: CallOptions = {}): Promise<readonly Invitation[]> {
    const path = `clients/${index}/invitations`;
    const answer = await this.#call<{ readonly invitations: readonly Invitation[] }>({ method: 'GET', path, signal });
    return answer.invitations;
  }

  /** Makes it a room of another member's. */
  handOver(room: string, owner: number, { signal }: CallOptions = {}): Promise<RoomInfo> {
    return this.#call({ method: 'PATCH', path: roomPath(room), body: { owner }, signal });
  }

  /** Puts a member out. */
  putOut(room: string, index: number, { signal }: CallOptions = {}): Promise<void> {
    return this.#call({ method: 'DELETE', path: `${roomPath(room)}/members/${index}`, signal });
  }

  /** Puts all out: there is no such room any more. */
  close(room: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#call({ method: 'DELETE', path: roomPath(room), signal });
  }

  /** Each of them, done twice, is done once. */
  #call<T>(call: Pick<Parameters<Transport['call']>[0], 'method' | 'path' | 'body' | 'signal'>): Promise<T> {
    return this.transport.call<T>({ ...call, token: this.token, repeatable: true });
  }
}

function roomPath(room: string): string {
  return `rooms/${encodeURIComponent(room)}`;
}
