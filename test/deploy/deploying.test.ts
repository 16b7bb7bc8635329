import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { haproxy } from './haproxy.js';
import { nginx } from './nginx.js';

const file = new URL('../../docs/deploying.md', import.meta.url);
const document = await readFile(file, 'utf8');

void t.test('each setting that docs/deploying.md explains is in what is shipped', async (t) => {
  const [head, , ...rows] = tableFrom(/^\| setting .*$/m);
  for (const [column, kind] of [nginx, haproxy].entries()) {
    t.equal(head?.[column + 1], kind.name);
    const configuration = await kind.configuration();
    for (const row of rows) {
      for (const [, code = ''] of (row[column + 1] ?? '').matchAll(/`([^`]+)`/g)) {
        for (const part of code.split(' … ')) t.ok(configuration.includes(part), `${kind.name}: ${part}`);
      }
    }
  }
  t.ok(rows.length > 10);
});

void t.test('each file that docs/deploying.md links to is there', async (t) => {
  const links = [...document.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => link);
  for (const link of links) t.ok(existsSync(new URL(link, file)), link);
  t.ok(links.length > 3);
});

/** The cells of the table that begins with this line, row by row. */
function tableFrom(line: RegExp): string[][] {
  const lines = document.slice(line.exec(document)?.index ?? document.length).split('\n');
  const rows = lines.slice(0, lines.indexOf(''));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
