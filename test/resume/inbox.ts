/** A message as a stream has it. */
export interface Received {
  readonly id: string;
  readonly to: unknown;
  readonly text?: string;
}

export interface Welcome {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly resumed: boolean;
}

/** What one client received over all the connections it had, one after the other. */
export class Inbox {
  readonly messages: Received[] = [];
  /** One for each connection that came about. */
  readonly welcomes: Welcome[] = [];
  /** Reasons of the goodbyes. */
  readonly byes: string[] = [];
  gaps = 0;
  #waiting: (() => void)[] = [];

  /** @param kind which client program this is */
  constructor(readonly kind: string) {}

  /** Known once it was welcomed. */
  get index(): number {
    const [first] = this.welcomes;
    if (!first) throw new Error(`${this.kind} was not welcomed yet`);
    return first.client.index;
  }

  /** @param event its name, `message` for an unnamed one */
  take(event: string, data: string): void {
    const value: unknown = JSON.parse(data);
    if (event === 'message') this.messages.push(value as Received);
    else if (event === 'welcome') this.welcomes.push(value as Welcome);
    else if (event === 'bye') this.byes.push((value as { reason: string }).reason);
    else if (event === 'gap') this.gaps++;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves once this holds of what came so far. */
  async until(condition: (inbox: Inbox) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
