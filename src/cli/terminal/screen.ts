import type { Completer } from './completion.js';

export interface Question {
  /** Such as `Enter command: `; it may change while the question is open: see Screen.refresh. */
  readonly prompt: string | (() => string);
  readonly complete?: Completer;
  /** Whether Up brings the answer back at a later question. */
  readonly recall?: boolean;
  /** Whether the answer is not to be seen. */
  readonly secret?: boolean;
}

/** Where a session asks and tells: a terminal, or plain lines. */
export interface Screen {
  /** The line that is entered; undefined when the question was called off, or at the end of input. */
  ask(question: Question): Promise<string | undefined>;
  /** Puts lines above the question, if one is open; what is typed stays as it is. */
  print(text: string): void;
  /** The prompt of the open question has changed. */
  refresh(): void;
  /** Rings the bell. */
  ring(): void;
  /** Calls the open question off, and all further ones. */
  end(): void;
  /** Called when whoever sits there does not want to wait any longer for the answer to a command. */
  onInterrupt: () => void;
  /** Called at PgUp and PgDn. */
  onPage: (direction: 'back' | 'forth') => void;
}

/** What stands in front of the answer, now. */
export function promptOf({ prompt }: Question): string {
  return typeof prompt === 'string' ? prompt : prompt();
}
