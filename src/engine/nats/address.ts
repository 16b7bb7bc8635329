/** Which NATS servers to use, and under which name there. */
export interface NatsAddress {
  /** Each `HOST:PORT`, all of one cluster. */
  readonly servers: readonly string[];
  /** What all that this InterChat keeps there begins with: two with different names share the servers and nothing else. */
  readonly name: string;
  readonly tls: boolean;
  /** How it proves who it is to NATS. Never print or log it. */
  readonly credentials: { readonly user: string; readonly pass: string } | { readonly token: string } | undefined;
}

const NAME = /^[A-Za-z0-9_-]{1,32}$/;
const DEFAULT_NAME = 'interchat';
const DEFAULT_PORT = '4222';

/**
 * Reads `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,nats://…][/NAME]`; `tls://` for an encrypted connection.
 * @returns undefined for anything else
 */
export function parseNatsAddress(text: string): NatsAddress | undefined {
  const urls: URL[] = [];
  for (const part of text.split(',')) {
    const trimmed = part.trim();
    if (!URL.canParse(trimmed)) return undefined;
    urls.push(new URL(trimmed));
  }
  const [first] = urls;
  if (!first) return undefined;
  const names = new Set<string>();
  for (const { protocol, hostname, pathname, search, hash } of urls) {
    if (protocol !== first.protocol || (protocol !== 'nats:' && protocol !== 'tls:')) return undefined;
    if (hostname === '' || search !== '' || hash !== '') return undefined;
    const name = pathname.replace(/^\//, '');
    if (name !== '') names.add(name);
  }
  const [name = DEFAULT_NAME] = names;
  if (names.size > 1 || !NAME.test(name)) return undefined;
  const identified = urls.find(({ username }) => username !== '');
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || DEFAULT_PORT}`),
    name,
    tls: first.protocol === 'tls:',
    credentials: identified && credentialsOf(identified),
  };
}

/** Three, if so many servers are named: then any one of them may fail. */
export function replicasFor({ servers }: NatsAddress): number {
  return servers.length >= 3 ? 3 : 1;
}

function credentialsOf({ username, password }: URL): NatsAddress['credentials'] {
  const user = decodeURIComponent(username);
  return password === '' ? { token: user } : { user, pass: decodeURIComponent(password) };
}
