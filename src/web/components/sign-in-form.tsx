import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ProblemError } from '../../sdk/errors.js';
import type { Door } from '../door.js';
import { useAttempt } from './use-attempt.js';

interface Props {
  readonly door: Door;
  /** How it came to that, in words; empty where nothing is to be said. */
  readonly why: string;
}

/** Where one says who one is: with an account that is there, or with one that is made. */
export function SignInForm({ door, why }: Props) {
  const was = door.was.peek();
  const name = useSignal(was ?? '');
  const password = useSignal('');
  const makes = useSignal(false);
  const busy = useSignal(false);
  const { refusal, attempt, forget } = useAttempt();
  const nameInput = useRef<HTMLInputElement>(null);
  const passwordInput = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (name.peek() === '') nameInput.current?.focus();
    else passwordInput.current?.focus();
  }, [makes.value]);

  const enter = async (event: Event) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    const who = name.value.trim();
    const done = await attempt(async () => {
      try {
        await (makes.value ? door.register(who, password.value) : door.signIn(who, password.value));
      } catch (error) {
        throw inWords(error, who);
      }
    });
    busy.value = false;
    if (done) return;
    password.value = '';
    passwordInput.current?.focus();
  };
  const change = () => {
    makes.value = !makes.value;
    password.value = '';
    forget();
  };
  const title = makes.value ? 'Make an account' : 'Sign in';
  return (
    <section class="signing-in" aria-labelledby="signing-in">
      <h2 id="signing-in">{title}</h2>
      {why !== '' && (
        <p class="why" role="status">
          {why}
        </p>
      )}
      <form method="post" aria-labelledby="signing-in" onSubmit={(event) => void enter(event)}>
        <label>
          Name
          <input
            ref={nameInput}
            name="username"
            required
            maxLength={128}
            autocomplete="username"
            autocapitalize="off"
            spellcheck={false}
            value={name.value}
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        </label>
        <label>
          Password
          <input
            key={title}
            ref={passwordInput}
            name="password"
            type="password"
            required
            minLength={makes.value ? 8 : 1}
            maxLength={1024}
            autocomplete={makes.value ? 'new-password' : 'current-password'}
            value={password.value}
            aria-invalid={refusal.value !== ''}
            aria-describedby={makes.value ? 'password-rule sign-in-refusal' : 'sign-in-refusal'}
            onInput={(event) => (password.value = event.currentTarget.value)}
          />
        </label>
        {makes.value && (
          <p id="password-rule" class="hint">
            8 characters or more. The name is your own from then on.
          </p>
        )}
        <p id="sign-in-refusal" class="refusal" role="alert">
          {refusal.value}
        </p>
        <div class="actions">
          <button type="submit" class="primary" aria-busy={busy.value}>
            {title}
          </button>
          {(door.registers.value || makes.value) && (
            <button type="button" onClick={change}>
              {makes.value ? 'I have an account' : 'Make an account'}
            </button>
          )}
          {door.isOpen.value && door.place.value.kind === 'out' && (
            <button type="button" onClick={() => void attempt(() => door.enterAsNobody())}>
              Go on without an account
            </button>
          )}
        </div>
      </form>
    </section>
  );
}

/** What to say of a refusal to whoever signs in. */
function inWords(error: unknown, name: string): unknown {
  if (!(error instanceof ProblemError)) return error;
  if (error.status === 429) {
    return new Error(`There were too many attempts: try again in ${Math.ceil((error.retryAfter ?? 1000) / 1000)} s.`);
  }
  if (error.status === 401) return new Error('The name or the password is wrong.');
  if (error.code === 'name-taken') return new Error(`The name ${name} is taken.`);
  return error;
}
