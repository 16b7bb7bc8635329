import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { Test } from 'tap';

/** A key of the provider. */
export interface Key {
  readonly kid: string | undefined;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  /** As the JWKS has it. */
  readonly jwk: JWK;
}

/** What is signed beside or instead of what an ordinary token says; a claim that is undefined is left out. */
export interface Wish {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
}

export const ISSUER = 'https://id.example/';
export const AUDIENCE = 'chat';

/** An identity provider: a real HTTP server on loopback that serves a JWKS. */
export class Provider {
  /** What the JWKS has. */
  keys: Key[] = [];
  /** How often the JWKS was asked for. */
  asked = 0;
  /** Answers instead of the JWKS; never, if it is `silent`. */
  fault: { readonly status: number; readonly body: string; readonly location?: string } | 'silent' | undefined;

  private constructor(
    readonly url: string,
    readonly stop: () => void,
  ) {}

  static async start(t: Test): Promise<Provider> {
    const server = createServer((_request, response) => {
      provider.asked++;
      const { fault } = provider;
      if (fault === 'silent') return;
      if (fault?.location !== undefined) response.setHeader('location', fault.location);
      response.writeHead(fault?.status ?? 200, { 'content-type': 'application/json' });
      response.end(fault?.body ?? JSON.stringify({ keys: provider.keys.map(({ jwk }) => jwk) }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stop = () => {
      server.close();
      server.closeAllConnections();
    };
    t.teardown(stop);
    const { port } = server.address() as AddressInfo;
    const provider = new Provider(`http://127.0.0.1:${port}/keys?client=hush`, stop);
    return provider;
  }
}

/** A new key; without a `kid` if it is undefined. */
export async function newKey(alg: string, kid: string | undefined): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), ...(kid === undefined ? {} : { kid }), alg } };
}

/** An ordinary token of alice that ends an hour after `now`, in milliseconds since 1970, but for what is wished. */
export async function sign(
  key: Pick<Key, 'alg' | 'kid'> & { readonly privateKey: CryptoKey | Uint8Array },
  now: number,
  { claims = {}, header = {} }: Wish = {},
): Promise<string> {
  const payload: JWTPayload = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'alice',
    exp: Math.floor(now / 1000) + 3_600,
    ...claims,
  };
  const { alg, kid } = key;
  return new SignJWT(payload)
    .setProtectedHeader({ alg, kid, ...header })
    .sign(key.privateKey, { crit: { secret: true } });
}
