import { useEffect, useState } from 'preact/hooks';
import type { Aside, Chat } from '../chat.js';
import type { Door } from '../door.js';
import { AccountView, SignInView } from './account-view.js';
import { ConversationView } from './conversation-view.js';
import { Inspector } from './inspector.js';
import { Introduction } from './introduction.js';
import { Sidebar, conversationsInOrder } from './sidebar.js';

/** The whole page. On a narrow screen the list or the conversation, whichever one looks at. */
export function App({ door, chat }: { readonly door: Door; readonly chat: Chat }) {
  const active = chat.active.value;
  const aside = asideOf(chat);
  const [inspects, setInspects] = useState(false);

  const close = () => {
    setInspects(false);
    document.getElementById('how-it-works')?.focus();
  };

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
      event.preventDefault();
      const keys = conversationsInOrder(chat);
      const at = keys.indexOf(chat.active.value ?? 'everyone');
      chat.show(keys[(at + (event.key === 'ArrowDown' ? 1 : keys.length - 1)) % keys.length]);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [chat]);

  return (
    <div class={`app ${active || aside ? 'shows-conversation' : 'shows-list'} ${inspects ? 'inspects' : ''}`}>
      <Sidebar chat={chat} inspects={inspects} onInspect={() => setInspects(!inspects)} />
      <main class="main">
        <Notices chat={chat} />
        {aside === 'you' ? (
          <AccountView door={door} chat={chat} />
        ) : aside === 'sign-in' ? (
          <SignInView door={door} chat={chat} />
        ) : active ? (
          <ConversationView key={active} chat={chat} conversation={chat.conversation(active)} />
        ) : (
          <Introduction chat={chat} />
        )}
      </main>
      {inspects && <Inspector chat={chat} onClose={close} />}
      <div class="unseen" role="status" aria-live="polite">
        {chat.announcer.said.value}
      </div>
    </div>
  );
}

/** Whoever has signed in has nothing to sign in with. */
function asideOf(chat: Chat): Aside | undefined {
  const aside = chat.aside.value;
  return aside === 'sign-in' && chat.account !== undefined ? 'you' : aside;
}

function Notices({ chat }: { readonly chat: Chat }) {
  return (
    <div class="notices" role="status">
      {chat.notices.value.map((notice) => (
        <p key={notice.number} class="notice">
          {notice.text}
          <button type="button" onClick={() => chat.dismiss(notice)} aria-label="Dismiss this notice">
            ×
          </button>
        </p>
      ))}
    </div>
  );
}
