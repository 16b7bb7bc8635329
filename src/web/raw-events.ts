import { signal } from '@preact/signals';

/** As many events as one looks back over. */
const KEPT = 200;
/** An event of more than this is shown by its beginning. Characters. */
const LONGEST = 4_000;

export interface RawEvent {
  readonly number: number;
  readonly at: Date;
  /** Its lines as they came, without the blank one that ends it. */
  readonly text: string;
}

/** The newest events of the stream, as they came over the wire. */
export class RawEvents {
  readonly shown = signal<readonly RawEvent[]>([]);
  #number = 0;

  /** @param blocks events, each with the blank line that ends it */
  add(blocks: string): void {
    const at = new Date();
    const texts = blocks.split('\n\n').filter((text) => text !== '');
    const events = texts.map((text) => ({
      number: this.#number++,
      at,
      text: text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text,
    }));
    this.shown.value = [...this.shown.value, ...events].slice(-KEPT);
  }

  /** Shows nothing any more of a room that one was put out of. */
  forget(room: string): void {
    const name = JSON.stringify(room);
    this.shown.value = this.shown.value.filter(({ text }) => !text.includes(`"room":${name}`) && !lists(text, name));
  }
}

/** Whether an event has this in a list of rooms. */
function lists(text: string, name: string): boolean {
  return [...text.matchAll(/"rooms":(\[[^\]]*\]|\{[^}]*\})/g)].some(([, rooms]) => rooms?.includes(name));
}
