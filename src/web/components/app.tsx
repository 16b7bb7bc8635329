import { useEffect, useState } from 'preact/hooks';
import type { Chat } from '../chat.js';
import { ConversationView } from './conversation-view.js';
import { Inspector } from './inspector.js';
import { Introduction } from './introduction.js';
import { Sidebar, conversationsInOrder } from './sidebar.js';

/** The whole page. On a narrow screen the list or the conversation, whichever one looks at. */
export function App({ chat }: { readonly chat: Chat }) {
  const active = chat.active.value;
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
    <div class={`app ${active ? 'shows-conversation' : 'shows-list'} ${inspects ? 'inspects' : ''}`}>
      <Sidebar chat={chat} inspects={inspects} onInspect={() => setInspects(!inspects)} />
      <main class="main">
        <Notices chat={chat} />
        {active ? (
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
