import { ask } from '../support/http.js';
import type { Gap, Life, Received, Target } from './checker.js';
import { type GapEvent, type StreamMessage, StreamReader, targetOf, type Welcome } from './stream-reader.js';
import { unpadded } from './padding.js';

/** A client that keeps one stream open, and comes back with its last id as an EventSource behind a proxy of several nodes does. */
export class Reader extends StreamReader implements Life {
  readonly received: Received[] = [];
  readonly texts = new Set<string>();
  readonly welcomes: { index: number; resumed: boolean }[] = [];
  readonly gaps: Gap[] = [];
  targets: readonly Target[] = [];

  /** Has it enter a room, through this node. */
  async enter(url: string, room: number): Promise<void> {
    const path = `/rooms/${room}/members/${this.index}`;
    const { status, text } = await ask(`${url}${path}`, { method: 'PUT', token: this.token });
    if (status !== 201) throw new Error(`client ${this.index} did not enter: ${text}`);
    this.targets = [`client ${this.index}`, `room ${room}`];
  }

  protected override onMessage({ id, to, text: sent }: StreamMessage, cursor = ''): void {
    const text = unpadded(sent);
    this.received.push({ id: Number(id), place: Number.parseInt(cursor, 10), to: targetOf(to), text });
    this.texts.add(text);
  }

  protected override onGap({ after, oldest, to }: GapEvent): void {
    this.gaps.push(gapOf({ after, oldest, to }));
  }

  protected override onEvent(): void {}

  protected override onWelcome({ client: { index }, resumed }: Welcome): void {
    this.welcomes.push({ index, resumed });
  }
}

export function gapOf({ after, oldest, to }: GapEvent): Gap {
  return {
    after: Number(after),
    oldest: oldest === null ? null : Number(oldest),
    to: to ? targetOf(to) : null,
  };
}
