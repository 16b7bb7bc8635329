/** What a test waits for comes within seconds, on a busy machine too. Milliseconds. */
const PATIENCE = 30_000;

/** Between two questions, in milliseconds. */
const PAUSE = 5;

/**
 * Asks again until it is so: for what happens in the background, and tells nobody. To be asked for something that stays so once
 * it is: what only passes can be missed.
 * @throws Error that names the condition when it does not come about.
 */
export async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + PATIENCE;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`waited in vain for ${condition.toString()}`);
    // Not at once: what it waits for needs the processor, too.
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}
