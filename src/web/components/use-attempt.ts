import { type ReadonlySignal, useSignal } from '@preact/signals';
import { explain } from '../api.js';

export interface Attempt {
  /** Why it was refused, for people; empty where it was not. */
  readonly refusal: ReadonlySignal<string>;
  /** Does it, and resolves to whether it was done. */
  readonly attempt: (what: () => Promise<void>) => Promise<boolean>;
  /** Forgets that it was refused. */
  readonly forget: () => void;
}

/** For what somebody does and the server may refuse. */
export function useAttempt(): Attempt {
  const refusal = useSignal('');
  const attempt = async (what: () => Promise<void>) => {
    refusal.value = '';
    try {
      await what();
      return true;
    } catch (error) {
      refusal.value = explain(error);
      return false;
    }
  };
  return { refusal, attempt, forget: () => (refusal.value = '') };
}
