import { HubError } from '../hub/errors.js';

/** Whether a token is genuine cannot be said at the moment: the keys of the identity provider are not to be had. */
export class IdentityUnavailable extends HubError {
  readonly code = 'unavailable';

  /** @param reason what went wrong, in a few words that may be shown to anyone: no address, no text from outside */
  constructor(readonly reason: string) {
    super(
      `The keys of the identity provider cannot be fetched (${reason}), so the token cannot be checked. ` +
        'Try again in a moment; if it stays so, tell whoever runs this server.',
    );
  }
}
