/** The path of the page behind `after`, with the rest of the query as it was; null where there is none. */
export function nextPath(
  path: string,
  { after, ...query }: Readonly<Record<string, string | number | null | undefined>>,
): string | null {
  if (after === null) return null;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...query, after })) {
    if (value !== undefined) search.set(name, String(value));
  }
  return `${path}?${search.toString()}`;
}
