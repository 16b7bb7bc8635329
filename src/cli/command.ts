import { EXIT_CODES } from './exit-code.js';

/** A command of `interchat`, as its module exports it. */
export interface Command {
  /** What follows `interchat` on the command line. */
  readonly usage: string;
  /** What it does, in a few lines. */
  readonly description: string;
  /** The lines of the help that tell its options. */
  readonly options: string;
  /**
   * Runs to its end, and answers with the exit code.
   * @throws CommandError; whatever the SDK throws
   */
  run(args: readonly string[]): Promise<number>;
}

/** The help text of one command, without a line break at its end. */
export function commandHelp({ usage, description, options }: Command): string {
  return [
    `Usage: interchat ${usage}`,
    description,
    `Options, each of which is a variable too:\n${options}`,
    EXIT_CODES,
  ].join('\n\n');
}
