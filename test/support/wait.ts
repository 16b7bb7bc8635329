/** What a test waits for comes within seconds, on a busy machine too. Milliseconds. */
const PATIENCE = 30_000;

/**
 * Asks again until it is so: for what happens in the background, and tells nobody. To be asked for something that stays so once
 * it is: what only passes can be missed.
 * @throws Error that names the condition when it does not come about.
 */
export async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + PATIENCE;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`waited in vain for ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
