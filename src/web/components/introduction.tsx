import type { Chat } from '../chat.js';
import { nameOf } from '../wording.js';
import { CopyButton } from './copy-button.js';

/** What one sees first: what this is, and how to have somebody to talk to. */
export function Introduction({ chat }: { readonly chat: Chat }) {
  const me = chat.me.value;
  const receive = chat.api.curlOf({
    method: 'GET',
    url: chat.api.url(chat.account === undefined ? 'events?name=alice' : 'events'),
    endless: true,
  });
  const list = chat.api.curlOf({ method: 'GET', url: chat.api.url('clients') });
  const send = chat.api.curlOf({
    method: 'POST',
    url: chat.api.url(`clients/${me?.index ?? 1}/messages`),
    body: 'Hello!',
  });
  return (
    <section class="introduction" aria-labelledby="introduction">
      <h2 id="introduction">{me ? <bdi>You are {nameOf(me)}</bdi> : 'Connecting…'}</h2>
      <p>
        Whoever holds a stream of events here is a client: this page, a terminal, a device. Pick one of them, a room or
        everyone, and talk. Nobody here yet?{' '}
        {chat.account === undefined ? (
          <>
            <a href="./" target="_blank">
              Open this page in a second tab
            </a>
            , which is another client, or be one in a terminal:
          </>
        ) : (
          'Be there in a terminal, too, with $TOKEN from “How it works”:'
        )}
      </p>
      <dl class="commands">
        <Command what="Be a client, and receive" text={receive} />
        <Command what="LIST: who there is" text={list} />
        <Command what="SEND: to this page" text={send} />
      </dl>
      <p>
        “How it works” shows the events of your stream as they come, and for each thing you do here the command that
        does the same. All of it is described in <a href="docs/">the API</a>. <kbd>Alt</kbd> with <kbd>↑</kbd> or{' '}
        <kbd>↓</kbd> goes from one conversation to the next.
      </p>
    </section>
  );
}

function Command({ what, text }: { readonly what: string; readonly text: string }) {
  return (
    <div>
      <dt>{what}</dt>
      <dd>
        <code>{text}</code>
        <CopyButton text={() => text} what={`the command: ${what}`}>
          Copy
        </CopyButton>
      </dd>
    </div>
  );
}
