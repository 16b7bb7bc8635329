import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Chat } from '../chat.js';

/** How the link is: always to be seen. */
export function LinkStatus({ chat }: { readonly chat: Chat }) {
  const state = chat.link.value;
  const now = useSignal(Date.now());
  useEffect(() => {
    if (state.kind !== 'waiting') return;
    now.value = Date.now();
    const timer = setInterval(() => (now.value = Date.now()), 500);
    return () => clearInterval(timer);
  }, [state]);

  switch (state.kind) {
    case 'live':
      return (
        <p class="link live">
          <span class="dot online" aria-hidden="true" /> Live
        </p>
      );
    case 'connecting':
      return (
        <p class="link">
          <span class="dot trying" aria-hidden="true" /> Connecting…
        </p>
      );
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((state.until - now.value) / 1000));
      return (
        <p class="link broken" title={state.why}>
          <span class="dot broken" aria-hidden="true" /> {navigator.onLine ? 'Reconnecting' : 'Offline'}{' '}
          <span class="countdown">{seconds > 0 && `in ${seconds} s`}</span>
          <button type="button" onClick={() => chat.retryLink()}>
            Now
          </button>
        </p>
      );
    }
    case 'refused':
      return (
        <p class="link broken refused">
          <span class="why">{state.why}</span>
          <button type="button" onClick={() => chat.retryLink()}>
            Try again
          </button>
        </p>
      );
    case 'left':
      return (
        <p class="link broken">
          {state.removed ? 'You were removed by an administrator' : 'You have left'}
          <button type="button" onClick={() => chat.retryLink()}>
            Connect
          </button>
        </p>
      );
  }
}
