import { signal } from '@preact/signals';

/** What comes within so many milliseconds is read out together. */
const COLLECT = 300;
/** More than this at once nobody listens to. */
const MOST = 3;

/** What a screen reader reads out: what comes into the conversation one looks at, and what became of the link. */
export class Announcer {
  readonly said = signal('');
  #waiting: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Leaves nothing to be read of what was said. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
    this.said.value = '';
  }

  say(text: string): void {
    this.#waiting.push(text);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const waiting = this.#waiting;
      this.#waiting = [];
      const more = waiting.length - MOST;
      const text = (more > 0 ? [`${more} more messages.`, ...waiting.slice(-MOST)] : waiting).join('\n');
      // Only a change is read out: what is said again differs by a space that nobody hears.
      this.said.value = text === this.said.value ? `${text}\u00a0` : text;
    }, COLLECT);
  }
}
