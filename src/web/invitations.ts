import { signal } from '@preact/signals';
import type { ClientInfo } from '../sdk/resources.js';
import type { Api } from './api.js';

/** A private room that one may enter. */
export interface Invitation {
  readonly room: string;
  readonly owner: { readonly index: number; readonly name: string | null };
}

/** To which private rooms one is invited; and inviting others. */
export class Invitations {
  readonly all = signal<readonly Invitation[]>([]);

  /** @param index the client that one is; undefined while that is not known */
  constructor(
    private readonly api: Api,
    private readonly index: () => number | undefined,
  ) {}

  async load(): Promise<void> {
    const index = this.index();
    if (index === undefined) return;
    const { invitations } = await this.api.call<{ invitations: readonly { room: string; owner: number }[] }>({
      what: 'See to which rooms I am invited',
      path: `clients/${index}/invitations`,
      asMe: true,
    });
    const names = new Map(this.all.value.map(({ owner }) => [owner.index, owner.name]));
    this.all.value = invitations.map(({ room, owner }) => ({
      room,
      owner: { index: owner, name: names.get(owner) ?? null },
    }));
  }

  put(invitation: Invitation): void {
    this.all.value = [...this.all.value.filter(({ room }) => room !== invitation.room), invitation];
  }

  drop(room: string): void {
    if (this.all.value.some((one) => one.room === room))
      this.all.value = this.all.value.filter((one) => one.room !== room);
  }

  /** @throws what the server says against it */
  async decline({ room }: Invitation): Promise<void> {
    const index = this.index();
    const path = `rooms/${encodeURIComponent(room)}/invitations/${index}`;
    try {
      await this.api.call({ what: `Decline to enter ${room}`, method: 'DELETE', path, asMe: true });
    } finally {
      await this.load().catch(() => undefined);
    }
  }

  /** Of a private room of one's own. @throws what the server says against it */
  async guests(room: string): Promise<readonly ClientInfo[]> {
    const path = `rooms/${encodeURIComponent(room)}/invitations`;
    const call = { what: `See who is invited to ${room}`, path, asMe: true };
    return (await this.api.call<{ clients: readonly ClientInfo[] }>(call)).clients;
  }

  /** @throws what the server says against it */
  async invite(room: string, index: number): Promise<void> {
    const path = `rooms/${encodeURIComponent(room)}/invitations/${index}`;
    await this.api.call({ what: `Invite client ${index} to ${room}`, method: 'PUT', path, asMe: true });
  }

  /** Takes an invitation back. @throws what the server says against it */
  async withdraw(room: string, index: number): Promise<void> {
    const path = `rooms/${encodeURIComponent(room)}/invitations/${index}`;
    await this.api.call({
      what: `Take back the invitation of client ${index} to ${room}`,
      method: 'DELETE',
      path,
      asMe: true,
    });
  }
}
