import { signal } from '@preact/signals';

/** What comes within so many milliseconds is one notification. */
const COLLECT = 800;

const SETTING = 'interchat.notify';

export type NotificationState = 'on' | 'off' | 'denied' | 'impossible';

/** Something to be told of while one looks elsewhere. */
export interface News {
  /** Says whose it is; a later one of the same replaces the earlier one. */
  readonly about: string;
  /** The id of the message that it tells of; null where it has none. */
  readonly id: string | null;
  readonly title: string;
  readonly body: string;
  readonly open: () => void;
}

/** Tells on the desktop what came while nobody looked. Asks the browser's permission when somebody wants it, never before. */
export class Notifications {
  readonly state = signal<NotificationState>('off');
  #waiting: News[] = [];
  /** What is shown, by what it is about, with the last that it tells of. */
  readonly #shown = new Map<string, { readonly id: string | null; readonly notification: Notification }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    // Without TLS there are none, but on localhost.
    if (!('Notification' in globalThis) || !isSecureContext) this.state.value = 'impossible';
    else if (Notification.permission === 'denied') this.state.value = 'denied';
    else if (Notification.permission === 'granted' && read() === 'on') this.state.value = 'on';
  }

  /** To be called for a click: browsers ask for nothing else. */
  async toggle(): Promise<void> {
    if (this.state.value === 'on') {
      this.state.value = 'off';
    } else if (this.state.value !== 'impossible') {
      const permission = await Notification.requestPermission();
      this.state.value = permission === 'granted' ? 'on' : permission === 'denied' ? 'denied' : 'off';
    }
    write(this.state.value === 'on' ? 'on' : 'off');
  }

  tell(news: News): void {
    if (this.state.value !== 'on') return;
    this.#waiting.push(news);
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#show(), COLLECT);
  }

  /** What it was about is not there any more. @param id of one message; all of them unless it is given */
  withdraw(about: string, id?: string): void {
    const isIt = (one: { readonly id: string | null }) => id === undefined || one.id === id;
    this.#waiting = this.#waiting.filter((news) => news.about !== about || !isIt(news));
    const shown = this.#shown.get(about);
    if (!shown || !isIt(shown)) return;
    shown.notification.close();
    this.#shown.delete(about);
  }

  /** Withdraws all of them: they were for somebody else. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
    for (const about of [...this.#shown.keys()]) this.withdraw(about);
  }

  #show(): void {
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const about of new Set(waiting.map((news) => news.about))) {
      const all = waiting.filter((news) => news.about === about);
      const last = all.at(-1);
      if (!last) continue;
      const body = all.length === 1 ? last.body : `${all.length} messages. The last: ${last.body}`;
      try {
        const notification = new Notification(last.title, { body, tag: `interchat ${about}` });
        this.#shown.set(about, { id: last.id, notification });
        notification.onclick = () => {
          focus();
          last.open();
          notification.close();
        };
      } catch {
        // Some browsers of phones have them from service workers alone.
        this.state.value = 'impossible';
      }
    }
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(SETTING);
  } catch {
    return null;
  }
}

function write(value: string): void {
  try {
    localStorage.setItem(SETTING, value);
  } catch {
    // It holds as long as the page.
  }
}
