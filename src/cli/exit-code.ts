import { ClientGone, CredentialOver, ProblemError, Unreachable } from '../sdk/errors.js';

/** What the process ends with; scripts may rely on it. */
export const ExitCode = {
  done: 0,
  failed: 1,
  wrongUsage: 2,
  noCredential: 3,
  notThere: 4,
  tooManyRequests: 5,
  unreachable: 6,
} as const;

/** Of the help: what the numbers mean. */
export const EXIT_CODES = [
  'Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no or wrong credential,',
  '4 no such client or room, 5 too many requests, 6 unreachable.',
].join('\n');

/** What ends a command, said in its message to whoever called it. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';

  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** The command line is wrong. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';

  constructor(message: string) {
    super(message, ExitCode.wrongUsage);
  }
}

/** What an error makes a command end with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof ClientGone) return ExitCode.notThere;
  if (error instanceof CredentialOver) return ExitCode.noCredential;
  if (error instanceof Unreachable) return ExitCode.unreachable;
  if (!(error instanceof ProblemError)) return ExitCode.failed;
  if (['no-such-client', 'no-such-room', 'client-gone'].includes(error.code)) return ExitCode.notThere;
  switch (error.status) {
    case 401:
    case 403:
      return ExitCode.noCredential;
    case 429:
      return ExitCode.tooManyRequests;
    case 502:
    case 503:
    case 504:
      return ExitCode.unreachable;
    default:
      return ExitCode.failed;
  }
}
