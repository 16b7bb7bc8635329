import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse } from 'yaml';
import { hostsOf, routesOf, takesSettings } from './settings.js';

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly restart: string;
  readonly stop_grace_period: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly networks: readonly string[] | Readonly<Record<string, { readonly ipv4_address?: string }>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly ipam?: { readonly config: readonly { subnet: string }[] } }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const root = new URL('../../', import.meta.url);
const read = (file: string) => readFile(new URL(file, root), 'utf8');
const compose = parse(await read('compose.yaml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const named = (prefix: string) => services.filter(([name]) => name.startsWith(prefix));
const nginx = compose.services.nginx as Service;

void t.test('three NATS servers, two InterChats, and nginx before them', async (t) => {
  t.same([named('nats-').length, named('interchat-').length, services.length], [3, 2, 6]);
  for (const [name, service] of services) {
    t.equal(service.restart, 'unless-stopped', name);
    t.ok(Number.parseInt(service.stop_grace_period) > 10, `${name} has time to end`);
    if (name !== 'nginx') t.notOk(service.ports, `nothing but nginx is reached from outside: ${name}`);
  }
});

void t.test('what it names is there', async (t) => {
  const dockerfile = await read('Dockerfile');
  for (const [name, service] of services) {
    for (const needed of Object.keys(service.depends_on ?? {})) {
      t.ok(compose.services[needed], `${name} depends on ${needed}`);
      // Of InterChat, the image itself tells whether it is healthy.
      const tells =
        compose.services[needed]?.healthcheck ?? (needed.startsWith('interchat-') && /^HEALTHCHECK /m.test(dockerfile));
      t.ok(tells, `${needed} tells whether it is healthy`);
    }
    const networks = Array.isArray(service.networks) ? (service.networks as string[]) : Object.keys(service.networks);
    for (const network of networks) t.ok(network in compose.networks, `${name} is in ${network}`);
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':');
      t.ok(
        source.startsWith('.') ? existsSync(new URL(source, root)) : source in compose.volumes,
        `${name} has ${source}`,
      );
    }
    if (service.build) t.ok(existsSync(new URL('Dockerfile', root)));
  }
});

void t.test('NATS: each has its own name and disk, and knows all', async (t) => {
  const names = named('nats-').map(([name]) => name);
  t.same(routesOf(await read('deploy/nats/nats.conf')), names);
  for (const [name, { command, volumes }] of named('nats-')) {
    t.equal(command?.[command.indexOf('--name') + 1], name);
    t.ok(
      volumes?.some((volume) => volume.startsWith(`${name}:`)),
      'its own disk',
    );
    const config = command?.[command.indexOf('--config') + 1];
    t.ok(
      volumes?.some((volume) => volume.includes(`:${config}`)),
      'the configuration it is told of',
    );
  }
});

void t.test('InterChat: settings that it takes', async (t) => {
  for (const [, { environment = {} }] of named('interchat-')) {
    takesSettings(t, environment);
    t.same(
      hostsOf(environment.INTERCHAT_ENGINE),
      named('nats-').map(([name]) => name),
    );
    t.equal(environment.INTERCHAT_TRUST_PROXY, addressOf(nginx), 'it believes nginx');
  }
});

void t.test('nginx: what is shipped for it leads to both, from the port that is published', async (t) => {
  const upstream = await read('deploy/nginx/upstream.conf');
  const servers = [...upstream.matchAll(/^ *server ([^ ;:]+):(\d+)/gm)].map(([, host, port]) => [host, port]);
  const exposed = /^EXPOSE (\d+)/m.exec(await read('Dockerfile'))?.[1];
  t.same(
    servers,
    named('interchat-').map(([name]) => [name, exposed]),
  );
  const listens = /listen (\d+)/.exec(await read('deploy/nginx/plain.conf'))?.[1];
  t.same(nginx.ports, [`8080:${listens}`]);
  t.match(nginx.healthcheck?.test.at(-1), `:${listens}/`);

  const addresses = [nginx, ...named('interchat-').map(([, service]) => service)].map(addressOf);
  const subnet = compose.networks.front?.ipam?.config[0]?.subnet.replace('.0/24', '.');
  t.equal(new Set(addresses).size, addresses.length, 'each its own address');
  for (const address of addresses) t.ok(subnet && address?.startsWith(subnet), `${address} in the network`);
});

function addressOf({ networks }: Service): string | undefined {
  return (networks as Readonly<Record<string, { readonly ipv4_address?: string }>>).front?.ipv4_address;
}
