import t from 'tap';
import { linkify } from '../../src/web/linkify.js';

const links = (text: string) => linkify(text).flatMap(({ text, href }) => (href === undefined ? [] : [text]));

void t.test('addresses of the web are found, without what only ends the sentence', async (t) => {
  for (const [text, ...found] of [
    ['see https://example.org.', 'https://example.org'],
    ['(https://example.org/a_(b))', 'https://example.org/a_(b)'],
    ['http://localhost:8080/clients?limit=1#x, and more', 'http://localhost:8080/clients?limit=1#x'],
    ['two: HTTPS://a.example https://b.example/ü!', 'HTTPS://a.example', 'https://b.example/ü'],
    ['[https://example.org]', 'https://example.org'],
    ['"https://example.org"', 'https://example.org'],
    ['https://[::1]:8080/', 'https://[::1]:8080/'],
  ] as [string, ...string[]][]) {
    t.same(links(text), found, text);
  }
});

void t.test('nothing else is a link', async (t) => {
  for (const text of [
    'javascript:alert(1)',
    'data:text/html,x',
    'ftp://example.org',
    'https://',
    'xhttps://example.org',
    'mailto:a@example.org',
    'https://[',
    '<a href="x">',
  ]) {
    t.same(links(text), [], text);
  }
  t.same(links('https://example.org/\u202efdp.exe'), ['https://example.org/'], 'nothing that turns the text around');
});

void t.test('the parts are the text, and each link goes where it says', async (t) => {
  for (const text of ['', 'a', 'a https://b.example, c https://d.example/(e) f\nhttps://g.example']) {
    const parts = linkify(text);
    t.equal(parts.map((part) => part.text).join(''), text);
    for (const { text, href } of parts) if (href !== undefined) t.equal(href, new URL(text).href);
  }
});

void t.test('an address of nothing but parentheses holds nobody up', async (t) => {
  const began = performance.now();
  t.same(links(`https://example.org/${')'.repeat(30_000)}${']'.repeat(30_000)}`), ['https://example.org/']);
  // Counted anew for each of them, it took the better part of a minute.
  t.ok(performance.now() - began < 2_000);
});
