import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { isEmbedded } from '../support/engine.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

const fileOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const textOf = (path: string) => readFile(fileOf(path), 'utf8');

const RULES = 'deploy/prometheus/interchat.rules.yml';

const noPromtool =
  spawnSync('promtool', ['--version']).status !== 0 &&
  'NOT TESTED: there is no promtool on this machine (Debian: apt-get install prometheus)';

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

/** All metrics that an expression names. */
const metricsIn = (expression: string) => expression.match(/\b(?:interchat|process|nodejs)_\w+/g) ?? [];

void t.test(
  'Prometheus takes what is shipped, and each alert fires when it should',
  { skip: noPromtool },
  async (t) => {
    for (const [what, ...args] of [
      ['the rules', 'check', 'rules', fileOf(RULES)],
      ['the configuration', 'check', 'config', fileOf('deploy/prometheus/prometheus.yml')],
      ['the alerts', 'test', 'rules', fileOf('test/deploy/alerts.yml')],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
      t.equal(status, 0, `${what}: ${status === 0 ? 'good' : stdout + stderr}`);
    }
  },
);

void t.test('alerts and dashboard ask for nothing that a server does not show', { skip: !isEmbedded }, async (t) => {
  const server = await startServer(t);
  await ask(`${server.url}/readyz`);
  const { text } = await ask(`${server.url}/metrics`);
  const shown = new Set<string>();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    shown.add(name);
    if (type === 'histogram') shown.add(`${name}_bucket`);
  }
  const { groups } = parse(await textOf(RULES)) as Rules;
  const { panels } = JSON.parse(await textOf('deploy/grafana/interchat.json')) as Dashboard;
  for (const { alert, expr } of groups.flatMap(({ rules }) => rules)) {
    for (const name of metricsIn(expr)) t.ok(shown.has(name), `${alert}: ${name}`);
  }
  for (const { title, targets } of panels) {
    t.ok(targets.length > 0, title);
    for (const name of targets.flatMap(({ expr }) => metricsIn(expr))) t.ok(shown.has(name), `${title}: ${name}`);
  }
  const routes = groups.flatMap(({ rules }) => rules.flatMap(({ expr }) => [...expr.matchAll(/route!?="([^"]+)"/g)]));
  const document = parse(await textOf('openapi/openapi.yaml')) as { readonly paths: Record<string, unknown> };
  for (const [, route = ''] of routes) t.ok(route in document.paths, `${route} is a route`);
});

void t.test('of each alert docs/operations.md says what to do, and of each metric what it is', async (t) => {
  const { groups } = parse(await textOf(RULES)) as Rules;
  const guide = await textOf('docs/operations.md');
  const told = [...guide.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  t.same(
    told,
    groups.flatMap(({ rules }) => rules.map(({ alert }) => alert)),
  );
  const server = await startServer(t);
  const { text } = await ask(`${server.url}/metrics`);
  for (const [, name = ''] of text.matchAll(/^# TYPE (interchat_\w+)/gm)) t.ok(guide.includes(`\`${name}\``), name);
});
