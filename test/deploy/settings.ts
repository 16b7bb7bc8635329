import type { Test } from 'tap';
import { readConfig } from '../../src/config.js';

/** That `interchat serve` starts with these variables. */
export function takesSettings(t: Test, variables: Readonly<Record<string, string>>): void {
  t.doesNotThrow(() => readConfig([], variables), 'InterChat takes these settings');
}

/** The host names that an engine of several machines is reached by, in order. */
export function hostsOf(engine: string | undefined): string[] {
  return (engine ?? '').split(',').map((url) => {
    const { protocol, hostname, port } = new URL(url);
    if (protocol !== 'nats:' || port !== '4222') throw new Error(`not a NATS server at its usual port: ${url}`);
    return hostname;
  });
}

/** The host names of the routes in the configuration of a NATS server, in order. */
export function routesOf(configuration: string): string[] {
  return [...configuration.matchAll(/nats:\/\/([^:]+):6222/g)].map(([, host = '']) => host);
}
