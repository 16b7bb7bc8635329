import { signal } from '@preact/signals';

/** What comes within so many milliseconds is one notification. */
const COLLECT = 800;

const SETTING = 'interchat.notify';

export type NotificationState = 'on' | 'off' | 'denied' | 'impossible';

/** Something to be told of while one looks elsewhere. */
export interface News {
  /** Says whose it is; a later one of the same replaces the earlier one. */
  readonly about: string;
  readonly title: string;
  readonly body: string;
  readonly open: () => void;
}

/** Tells on the desktop what came while nobody looked. Asks the browser's permission when somebody wants it, never before. */
export class Notifications {
  readonly state = signal<NotificationState>('off');
  #waiting: News[] = [];
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
