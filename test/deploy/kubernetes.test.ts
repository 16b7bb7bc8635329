import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { hostsOf, routesOf, takesSettings } from './settings.js';

type Labels = Readonly<Record<string, string>>;

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly securityContext: { readonly readOnlyRootFilesystem: boolean; readonly allowPrivilegeEscalation: boolean };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Pod {
  readonly metadata: { readonly labels: Labels };
  readonly spec: {
    readonly containers: readonly [Container];
    readonly enableServiceLinks: boolean;
    readonly securityContext: { readonly runAsNonRoot: boolean; readonly runAsUser: number };
    readonly terminationGracePeriodSeconds: number;
    readonly topologySpreadConstraints: readonly { readonly labelSelector: { readonly matchLabels: Labels } }[];
    readonly volumes: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
  };
}

/** What all kinds that are used here have, and what some have. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas: number;
    readonly serviceName: string;
    readonly selector: Labels | { readonly matchLabels: Labels };
    readonly template: Pod;
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly ports: readonly { readonly name: string; readonly targetPort: string }[];
    readonly podSelector: { readonly matchLabels: Labels };
    readonly ingress: readonly {
      readonly from: readonly { readonly podSelector: { readonly matchLabels: Labels } }[];
      readonly ports: readonly { readonly port: string }[];
    }[];
    readonly rules: readonly { readonly http: { readonly paths: readonly { readonly backend: Backend }[] } }[];
  };
}

interface Backend {
  readonly service: { readonly name: string; readonly port: { readonly name: string } };
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly configMapGenerator: readonly { readonly name: string; readonly files: readonly string[] }[];
  readonly images: readonly { readonly name: string }[];
}

const folder = new URL('../../deploy/kubernetes/', import.meta.url);
const read = (file: string) => readFile(new URL(file, folder), 'utf8');
const kustomization = parse(await read('kustomization.yaml')) as Kustomization;
const manifests: Manifest[] = [];
for (const file of kustomization.resources) {
  for (const document of parseAllDocuments(await read(file))) {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join(', ')}`);
    manifests.push(document.toJS() as Manifest);
  }
}
const ofKind = (...kinds: string[]) => manifests.filter(({ kind }) => kinds.includes(kind));
const get = (kind: string, name: string) => {
  const found = ofKind(kind).find(({ metadata }) => metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
};
const workloads = ofKind('Deployment', 'StatefulSet');
const chosenBy = (labels: Labels) =>
  workloads.filter(({ spec }) =>
    Object.entries(labels).every(([name, value]) => spec.template.metadata.labels[name] === value),
  );
const portsOf = ({ spec }: Manifest) => spec.template.spec.containers[0].ports.map(({ name }) => name);

void t.test('what chooses pods by their labels finds those it means', async (t) => {
  for (const { kind, metadata, spec } of [...workloads, ...ofKind('Service', 'PodDisruptionBudget', 'NetworkPolicy')]) {
    const selector = (spec.podSelector ?? spec.selector) as { matchLabels?: Labels };
    const chosen = chosenBy(selector.matchLabels ?? (selector as Labels));
    t.same(
      chosen.map(({ metadata: { name } }) => name),
      [metadata.name],
      `${kind} ${metadata.name}`,
    );
  }
  for (const { metadata, spec } of workloads) {
    const [constraint] = spec.template.spec.topologySpreadConstraints;
    t.same(chosenBy(constraint?.labelSelector.matchLabels ?? {}), [
      get(metadata.name === 'nats' ? 'StatefulSet' : 'Deployment', metadata.name),
    ]);
  }
  for (const { from, ports } of get('NetworkPolicy', 'nats').spec.ingress) {
    t.equal(chosenBy(from[0]?.podSelector.matchLabels ?? {}).length, 1);
    t.ok(portsOf(get('StatefulSet', 'nats')).includes(ports[0]?.port ?? ''));
  }
});

void t.test('ports, volumes, images and configurations that are named are there', async (t) => {
  for (const service of ofKind('Service')) {
    const [workload] = chosenBy(service.spec.selector as Labels);
    for (const { targetPort } of service.spec.ports)
      t.ok(workload && portsOf(workload).includes(targetPort), targetPort);
  }
  for (const ingress of ofKind('Ingress')) {
    const backend = ingress.spec.rules[0]?.http.paths[0]?.backend as Backend;
    const { ports } = get('Service', backend.service.name).spec;
    t.ok(
      ports.some(({ name }) => name === backend.service.port.name),
      `Ingress ${ingress.metadata.name}`,
    );
  }
  const generated = kustomization.configMapGenerator.map(({ name }) => name);
  for (const workload of workloads) {
    const { containers, volumes } = workload.spec.template.spec;
    const [container] = containers;
    const claims = (workload.spec.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => name);
    t.same(
      container.volumeMounts.map(({ name }) => name).sort(),
      [...volumes.map(({ name }) => name), ...claims].sort(),
      `volumes of ${workload.metadata.name}`,
    );
    for (const { configMap } of volumes) if (configMap) t.ok(generated.includes(configMap.name), configMap.name);
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      if (probe) t.ok(portsOf(workload).includes(probe.httpGet.port), probe.httpGet.path);
    }
  }
  for (const { files } of kustomization.configMapGenerator) for (const file of files) t.ok(await read(file), file);
  t.same(
    kustomization.images.map(({ name }) => name),
    [get('Deployment', 'interchat').spec.template.spec.containers[0].image],
  );
});

void t.test('pods run without rights, on a file system that they cannot write to', async (t) => {
  for (const { metadata, spec } of workloads) {
    const { securityContext, containers, enableServiceLinks } = spec.template.spec;
    t.match(securityContext, { runAsNonRoot: true, runAsUser: 1000 }, metadata.name);
    t.match(containers[0].securityContext, { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
    t.equal(enableServiceLinks, false);
  }
});

void t.test('NATS: all are named, to each other and to InterChat, which takes its settings', async (t) => {
  const nats = get('StatefulSet', 'nats');
  const hosts = Array.from({ length: nats.spec.replicas }, (_, at) => `nats-${at}.${nats.spec.serviceName}`);
  t.equal(hosts.length, 3);
  t.same(routesOf(await read('nats.conf')), hosts);
  t.equal(get('Service', nats.spec.serviceName).kind, 'Service');

  const { containers } = get('Deployment', 'interchat').spec.template.spec;
  const variables = Object.fromEntries(containers[0].env.map(({ name, value = '' }) => [name, value]));
  t.same(hostsOf(variables.INTERCHAT_ENGINE), hosts);
  takesSettings(t, variables);
});

void t.test('InterChat: two, asked what they can answer, and with time to end', async (t) => {
  const { replicas, template } = get('Deployment', 'interchat').spec;
  t.equal(replicas, 2);
  const [container] = template.spec.containers;
  t.equal(container.readinessProbe.httpGet.path, '/readyz');
  t.equal(container.livenessProbe.httpGet.path, '/healthz');
  const dockerfile = await read('../../Dockerfile');
  t.match(dockerfile, `EXPOSE ${container.ports[0]?.containerPort}\n`);
  t.match(dockerfile, `VOLUME ${container.volumeMounts[0]?.mountPath}\n`);
  const [, pause] = container.lifecycle.preStop.exec.command;
  t.ok(template.spec.terminationGracePeriodSeconds > Number(pause) + 10);
});
