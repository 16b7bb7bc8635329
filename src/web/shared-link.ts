import { effect, signal } from '@preact/signals';
import { EventParser, type ServerSentEvent } from '../sdk/event-parser.js';
import type { Message } from '../sdk/resources.js';
import { type LinkState, LONGEST_EVENT } from './link.js';

const ENCODER = new TextEncoder();

/** What tabs of one client tell each other. */
type Told =
  /** From whoever holds the stream: what came. */
  | { readonly kind: 'events'; readonly raw: string }
  /** From whoever holds the stream: how it is. */
  | { readonly kind: 'state'; readonly state: LinkState }
  /** From whoever does not: how is it? */
  | { readonly kind: 'hello' }
  /** Try again now. */
  | { readonly kind: 'retry' }
  /** From whoever holds the stream: the server has another log, and all begins anew. */
  | { readonly kind: 'anew' }
  /** Sent from one of them, which no stream brings to the others. */
  | { readonly kind: 'sent'; readonly message: Message };

export interface SharedLinkListener {
  /** Holds the stream from now on, for all tabs of this client. */
  lead(): void;
  events(events: readonly ServerSentEvent[], raw: string): void;
  sent(message: Message): void;
  retry(): void;
  anew(): void;
}

/**
 * Tabs that are the same client (a tab that was duplicated takes its sessionStorage along) share one stream: one of them holds
 * it and tells the others what comes; when it is closed, another takes over. Over HTTP/1.1 a browser has six connections to a
 * host, and six streams would leave none to send with.
 *
 * That needs Web Locks, which are there in secure contexts: localhost, and wherever there is TLS. Elsewhere each tab holds a
 * stream of its own, and everything else is the same.
 */
export class SharedLink {
  /** How the link of whoever holds it is, told to those who do not; undefined while it is this tab. */
  readonly othersState = signal<LinkState | undefined>(undefined);
  #channel: BroadcastChannel | undefined;
  /** That of the client one was a moment ago, whose other tabs are yet to be told who they are now. */
  #former: BroadcastChannel | undefined;
  #leave: (() => void) | undefined;
  #leads = false;
  readonly #stop: () => void;

  constructor(
    private readonly own: { readonly value: LinkState },
    private readonly listener: SharedLinkListener,
  ) {
    this.#stop = effect(() => {
      const state = this.own.value;
      if (this.#leads) this.#tell({ kind: 'state', state });
    });
  }

  /** Shares nothing any more. */
  close(): void {
    this.#stop();
    this.leave();
    this.#former?.close();
  }

  /**
   * Joins the tabs of this client. Leads at once where there is none, or where this tab holds a stream already; then what is
   * passed next tells the tabs of who one was before that they are this one, too.
   * @param holds whether this tab holds a stream of that client
   */
  join(index: number, holds: boolean): void {
    const name = `interchat ${new URL('.', document.baseURI).href} ${index}`;
    if (holds && this.#leads) {
      // With another log, another client may have the same number.
      if (this.#channel?.name === name) return;
      // The lock of before is kept until the tab is closed: another tab that were given it would open a second stream.
      this.#former = this.#channel;
    } else this.leave();
    this.#leads = holds;
    if (!('locks' in navigator) || !('BroadcastChannel' in globalThis)) return this.#lead();
    const channel = (this.#channel = new BroadcastChannel(name));
    let parser = new EventParser(LONGEST_EVENT);
    channel.onmessage = ({ data }: MessageEvent<Told>) => {
      if (data.kind === 'sent') this.listener.sent(data.message);
      else if (data.kind === 'hello' && this.#leads) this.#tell({ kind: 'state', state: this.own.value });
      else if (data.kind === 'retry' && this.#leads) this.listener.retry();
      else if (data.kind === 'anew' && !this.#leads) this.listener.anew();
      else if (data.kind === 'state' && !this.#leads) {
        this.othersState.value = data.state;
        if (data.state.kind !== 'live') parser = new EventParser(LONGEST_EVENT);
      } else if (data.kind === 'events' && !this.#leads) {
        this.listener.events(parser.push(ENCODER.encode(data.raw)), data.raw);
      }
    };
    const done = new AbortController();
    const released = new Promise<void>((resolve) => {
      this.#leave = () => {
        done.abort();
        resolve();
      };
    });
    navigator.locks
      .request(name, { signal: done.signal }, () => {
        this.#lead();
        return released;
      })
      .catch(() => undefined);
    if (!holds) this.#tell({ kind: 'hello' });
  }

  leave(): void {
    this.#leave?.();
    this.#channel?.close();
    this.#channel = undefined;
    this.#leads = false;
    this.othersState.value = undefined;
  }

  /** Tells the other tabs what came. */
  pass(raw: string): void {
    if (!this.#leads) return;
    const told: Told = { kind: 'events', raw };
    if (!this.#former) return this.#tell(told);
    this.#former.postMessage(told);
    this.#former.close();
    this.#former = undefined;
  }

  /** Tells the other tabs that nothing they have means anything to the server now. */
  passAnew(): void {
    if (this.#leads) this.#tell({ kind: 'anew' });
  }

  passSent(message: Message): void {
    this.#tell({ kind: 'sent', message });
  }

  /** Asks whoever holds the stream to try again now. */
  retry(): void {
    if (this.#leads) this.listener.retry();
    else this.#tell({ kind: 'retry' });
  }

  #lead(): void {
    const began = !this.#leads;
    this.#leads = true;
    this.othersState.value = undefined;
    if (began) this.listener.lead();
    this.#tell({ kind: 'state', state: this.own.value });
  }

  #tell(told: Told): void {
    this.#channel?.postMessage(told);
  }
}
