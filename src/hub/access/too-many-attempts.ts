import { HubError } from '../errors.js';

/** Whoever asks has to wait, whether what they know is right or not. */
export class TooManyAttempts extends HubError {
  readonly code = 'too-many-requests';

  /**
   * @param why a sentence
   * @param retryAfter whole seconds, at least 1, after which it may be tried again
   */
  constructor(
    why: string,
    readonly retryAfter: number,
  ) {
    super(`${why} Try again in ${retryAfter} s.`);
  }
}
