import staticFiles from '@fastify/static';
import type { App } from './context.js';

/** What `npm run build` made of src/web: `index.html`, and `assets/` with a hash of its content in each name. */
const BUILT = new URL('../../dist/web/', import.meta.url);

/**
 * The Content-Security-Policy of the page. It has no inline script or style, talks to this server alone, and no text can become
 * markup: nothing in it may write HTML (Trusted Types).
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/**
 * `GET /`: the page, and what it loads. A browser asks each time whether the page is still the same, and keeps what that
 * names for a year: another content has another name.
 */
export async function registerPage(app: App): Promise<void> {
  await app.register(staticFiles, {
    root: new URL('assets/', BUILT),
    prefix: '/assets/',
    // Each file has a route of its own: anything else under the prefix is not found, like everywhere.
    wildcard: false,
    index: false,
    preCompressed: true,
    immutable: true,
    maxAge: '365d',
    globIgnore: ['**/*.br', '**/*.gz'],
  });
  app.get('/', { schema: { hide: true } }, (_request, reply) =>
    reply
      .header('content-security-policy', POLICY)
      .header('cache-control', 'no-cache')
      .sendFile('index.html', BUILT.pathname, { cacheControl: false }),
  );
}
