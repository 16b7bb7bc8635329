import { UsageError } from './exit-code.js';

/** What the verbs of a command do, by the word behind its name: what is given is checked first, and done then. */
export type Verbs<Settings, Where> = Readonly<
  Record<string, (given: readonly string[], settings: Settings) => (where: Where) => Promise<void>>
>;

/** What a command line is to do, checked. @throws UsageError */
export function readVerb<Settings, Where>(
  command: string,
  verbs: Verbs<Settings, Where>,
  [word, ...given]: readonly string[],
  settings: Settings,
): (where: Where) => Promise<void> {
  const known = Object.keys(verbs).join(', ');
  if (word === undefined) throw new UsageError(`${command} what? Give one of ${known}.`);
  const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined;
  if (!verb) throw new UsageError(`${command} takes one of ${known}, not ${JSON.stringify(word)}.`);
  return verb(given, settings);
}

/** The only thing that was given. @throws UsageError where that is none, or several */
export function only(what: string, given: readonly string[]): string {
  const [first, ...others] = given;
  if (first === undefined || first === '') throw new UsageError(`Give ${what}.`);
  // Of what may be a password, nothing is said again.
  if (others.length > 0) throw new UsageError(`Give ${what}, and nothing behind it.`);
  return first;
}

/** @throws UsageError where something was given */
export function nothing(given: readonly string[]): void {
  if (given.length > 0) throw new UsageError(`This takes no arguments, not ${given.join(' ')}.`);
}
