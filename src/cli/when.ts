/** When something is done that only some readers want: on a terminal, always, never. */
export const WHENS = ['auto', 'always', 'never'] as const;
export type When = (typeof WHENS)[number];

/** Where standard output goes. */
interface Output {
  readonly isTTY?: boolean;
}

export function isWanted(when: When, output: Output): boolean {
  return when === 'auto' ? output.isTTY === true : when === 'always';
}

/** The same for colours, which https://no-color.org and a dumb terminal call off unless they are asked for by name. */
export function isColorWanted(when: When, output: Output, { NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  return isWanted(when === 'auto' && (NO_COLOR || TERM === 'dumb') ? 'never' : when, output);
}
