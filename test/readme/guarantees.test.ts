import { access, readFile } from 'node:fs/promises';
import t from 'tap';

const TOP = new URL('../../', import.meta.url);

void t.test('each guarantee names tests, and each of them exists', async (t) => {
  const text = await readFile(new URL('docs/guarantees.md', TOP), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| **'));
  t.ok(rows.length > 10, `${rows.length} guarantees`);
  for (const row of rows) t.match(row, /`test\/[^`]+`/, 'a guarantee without a test is none');
  for (const [, file = ''] of text.matchAll(/`(test\/[^`]+)`/g)) await t.resolves(access(new URL(file, TOP)), file);
});
