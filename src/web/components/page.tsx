import { useEffect } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Door } from '../door.js';
import { App } from './app.js';
import { SignInForm } from './sign-in-form.js';

/** The chat, for whoever is in; for whoever is not, the way in. */
export function Page({ door }: { readonly door: Door }) {
  const place = door.place.value;
  if (place.kind === 'in') return <App key={place.chat} door={door} chat={place.chat} />;
  return (
    <main class="entrance">
      <h1>InterChat</h1>
      {place.kind === 'asking' ? (
        <Asking door={door} until={place.until} />
      ) : (
        <SignInForm door={door} why={place.why} />
      )}
    </main>
  );
}

function Asking({ door, until }: { readonly door: Door; readonly until: number | undefined }) {
  const now = useSignal(Date.now());
  useEffect(() => {
    if (until === undefined) return;
    now.value = Date.now();
    const timer = setInterval(() => (now.value = Date.now()), 500);
    return () => clearInterval(timer);
  }, [until]);
  if (until === undefined) return <p class="link">Connecting…</p>;
  const seconds = Math.max(0, Math.ceil((until - now.value) / 1000));
  return (
    <p class="link broken">
      <span class="dot broken" aria-hidden="true" /> The server cannot be reached.{' '}
      <span class="countdown">{seconds > 0 && `in ${seconds} s`}</span>
      <button type="button" onClick={() => door.retry()}>
        Now
      </button>
    </p>
  );
}
