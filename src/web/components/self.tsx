import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat.js';
import { explain } from '../api.js';
import { ClientName } from './client-name.js';

/** Who one is, and how to be called otherwise. */
export function Self({ chat }: { readonly chat: Chat }) {
  const me = chat.me.value;
  const name = useSignal('');
  const edits = useSignal(false);
  const refusal = useSignal('');
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
    refusal.value = '';
    try {
      await chat.rename(name.value.trim());
      close();
    } catch (error) {
      refusal.value = explain(error);
    }
  };
  const edit = () => {
    name.value = me?.name ?? '';
    refusal.value = '';
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
          <button type="button" ref={button} disabled={!me} onClick={edit}>
            {me?.name == null ? 'Give yourself a name' : 'Change name'}
          </button>
        </>
      )}
    </section>
  );
}
