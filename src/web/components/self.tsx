import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat.js';
import { ClientName } from './client-name.js';
import { useAttempt } from './use-attempt.js';

/** Who one is, and how to be called otherwise. */
export function Self({ chat }: { readonly chat: Chat }) {
  const me = chat.me.value;
  const name = useSignal('');
  const edits = useSignal(false);
  const { refusal, attempt, forget } = useAttempt();
  const input = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (edits.value) input.current?.select();
  }, [edits.value]);

  const close = () => {
    edits.value = false;
    // The button is there again only after the page was drawn.
    setTimeout(() => button.current?.focus());
  };
  const save = async (event: Event) => {
    event.preventDefault();
    if (await attempt(() => chat.rename(name.value.trim()))) close();
  };
  const edit = () => {
    name.value = me?.name ?? '';
    forget();
    edits.value = true;
  };

  return (
    <section class="self" aria-label="You">
      {edits.value ? (
        <form onSubmit={(event) => void save(event)} onKeyDown={(event) => event.key === 'Escape' && close()}>
          <label>
            <span class="unseen">Your name</span>
            <input
              ref={input}
              required
              maxLength={128}
              placeholder="Your name"
              autocomplete="nickname"
              value={name.value}
              aria-invalid={refusal.value !== ''}
              aria-describedby="name-refusal"
              onInput={(event) => (name.value = event.currentTarget.value)}
            />
          </label>
          <button type="submit">Save</button>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <p id="name-refusal" class="refusal" role="alert">
            {refusal.value}
          </p>
        </form>
      ) : (
        <>
          <span class="who">
            <span class="unseen">You are </span>
            {me ? <ClientName client={me} /> : <span class="client">…</span>}
          </span>
          {chat.account === undefined ? (
            <span class="actions">
              <button type="button" ref={button} disabled={!me} onClick={edit}>
                {me?.name == null ? 'Give yourself a name' : 'Change name'}
              </button>
              <a class="button" href="#sign-in" aria-current={chat.aside.value === 'sign-in' ? 'page' : undefined}>
                Sign in
              </a>
            </span>
          ) : (
            <a class="button" href="#you" aria-current={chat.aside.value === 'you' ? 'page' : undefined}>
              Account
            </a>
          )}
        </>
      )}
    </section>
  );
}
