/** What every answer says to browsers; those that are no page may load nothing at all. */
const NOTHING = "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'";

/**
 * Which of the headers that keep browsers from doing more with an answer than was meant are not as they should be.
 * @param headers by name in lower case
 * @param page whether it is a page, which has a policy of its own, or a file that came with one
 * @param readers who may read it: pages of this server alone, unless others are allowed
 */
export function lacking(
  headers: { readonly [name: string]: unknown },
  { page = false, readers = 'same-origin' }: { readonly page?: boolean; readonly readers?: string } = {},
): string[] {
  const policy = String(headers['content-security-policy']);
  const directives = policy.split(/; ?/);
  const safe = {
    'content-security-policy': page
      ? ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"].every((one) =>
          directives.includes(one),
        ) && !/unsafe-eval|script-src[^;]*unsafe-inline|\*/.test(policy)
      : policy === NOTHING,
    'x-content-type-options': headers['x-content-type-options'] === 'nosniff',
    'referrer-policy': headers['referrer-policy'] === 'no-referrer',
    'cross-origin-resource-policy': headers['cross-origin-resource-policy'] === readers,
  };
  return Object.entries(safe).flatMap(([name, good]) => (good ? [] : [`${name}: ${String(headers[name])}`]));
}
