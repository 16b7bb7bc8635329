import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat.js';
import type { Device, Door } from '../door.js';
import { explain } from '../api.js';
import { ago, exactTime, nameOf } from '../wording.js';
import { SignInForm } from './sign-in-form.js';
import { useAttempt } from './use-attempt.js';

interface Props {
  readonly door: Door;
  readonly chat: Chat;
}

/** The head of a view that is no conversation. */
function Head({ title }: { readonly title: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <header class="head">
      <a class="back" href="#" aria-label="Back to all conversations">
        ‹
      </a>
      <div class="about">
        <h1 id="title" ref={heading} tabIndex={-1}>
          <bdi>{title}</bdi>
        </h1>
      </div>
    </header>
  );
}

/** Who one is and what one may do; where one is signed in, and how to end that. */
export function AccountView({ door, chat }: Props) {
  const me = chat.me.value;
  const name = chat.account ?? (me ? nameOf(me) : '…');
  return (
    <section class="conversation" aria-labelledby="title">
      <Head title={`You are ${name}`} />
      <div class="sheet">
        {me && chat.account !== undefined && (
          <p class="detail">To the others you are client {me.index}. You stay that, on all your devices.</p>
        )}
        <section aria-labelledby="may">
          <h2 id="may">What you may do</h2>
          <ul class="deeds">
            {chat.rights.inWords().map((deed) => (
              <li key={deed}>{deed}</li>
            ))}
          </ul>
          {chat.rights.texts.length === 0 && <p>Nothing: this account has no permissions.</p>}
        </section>
        {chat.account !== undefined && <Devices door={door} chat={chat} />}
      </div>
    </section>
  );
}

function Devices({ door, chat }: Props) {
  const devices = useSignal<readonly Device[]>([]);
  const loading = useSignal('Loading…');
  const { refusal, attempt } = useAttempt();
  const load = async () => {
    try {
      const call = { what: 'See where I am signed in', path: 'sessions' };
      devices.value = (await chat.api.call<{ sessions: readonly Device[] }>(call)).sessions;
      loading.value = '';
    } catch (error) {
      loading.value = explain(error);
    }
  };
  useEffect(() => void load(), []);
  const end = (device: Device) =>
    attempt(async () => {
      const what = `Sign out on ${deviceName(device)}`;
      await chat.api.call({ what, method: 'DELETE', path: `sessions/${device.id}` });
      chat.announcer.say('Signed out there.');
      await load();
    });
  return (
    <section aria-labelledby="devices">
      <h2 id="devices">Where you are signed in</h2>
      {loading.value !== '' && <p class="detail">{loading.value}</p>}
      <ul class="rows">
        {devices.value.map((device) => (
          <li key={device.id}>
            <span class="grow">
              {deviceName(device)}
              {device.current && <strong> (this one)</strong>}
              <span class="detail" title={exactTime(new Date(device.usedAt))}>
                {' '}
                last used {ago(new Date(device.usedAt), Date.now())}, signed in{' '}
                {ago(new Date(device.createdAt), Date.now())}
              </span>
            </span>
            {!device.current && (
              <button type="button" onClick={() => void end(device)}>
                Sign out<span class="unseen"> on {deviceName(device)}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      <div class="actions">
        <button type="button" class="primary" onClick={() => void attempt(() => door.signOut(chat))}>
          Sign out here
        </button>
        <button type="button" onClick={() => void attempt(() => door.signOut(chat, true))}>
          Sign out everywhere
        </button>
      </div>
      <p class="hint">Signing out here leaves nothing of yours in this tab, nor what waits to be sent.</p>
      <p class="refusal" role="alert">
        {refusal.value}
      </p>
    </section>
  );
}

/** Such as `Firefox on Windows`, as far as what a browser says of itself tells that. */
function deviceName({ device }: Device): string {
  if (device === null || device === '') return 'A device without a name';
  const first = (known: readonly (readonly [RegExp, string])[]) => known.find(([sign]) => sign.test(device))?.[1];
  const browser = first([
    [/Edg\//, 'Edge'],
    [/Firefox\//, 'Firefox'],
    [/Chrom(e|ium)\//, 'Chrome'],
    [/Safari\//, 'Safari'],
    [/^curl\//, 'curl'],
  ]);
  const system = first([
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Windows/, 'Windows'],
    [/Mac OS X/, 'macOS'],
    [/Linux/, 'Linux'],
  ]);
  if (browser === undefined) return device.length > 60 ? `${device.slice(0, 59)}…` : device;
  return system === undefined ? browser : `${browser} on ${system}`;
}

/** Signing in, for whoever is in without an account. */
export function SignInView({ door, chat }: Props) {
  const me = chat.me.value;
  const why = me
    ? `You are ${nameOf(me)} without an account. Who signs in leaves that client behind, with what it was sent and what it wrote.`
    : '';
  useEffect(() => {
    // Another tab may have signed in meanwhile: there is one account in a browser at a time.
    void door.enterAsSignedIn().catch(() => undefined);
  }, []);
  return (
    <section class="conversation" aria-labelledby="title">
      <Head title="With an account" />
      <div class="sheet">
        <SignInForm door={door} why={why} />
      </div>
    </section>
  );
}
