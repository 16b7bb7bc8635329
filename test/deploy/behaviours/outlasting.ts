import type { Test } from 'tap';
import { readConfig } from '../../../src/config.js';

/** That each of these times, in seconds, is longer than the silences of InterChat. */
export function outlastSilence(t: Test, configuration: string, settings: readonly RegExp[]): void {
  const { heartbeat } = readConfig([], {});
  /** The longest that a mailbox may be waited for. */
  const longestWait = 60;
  for (const setting of settings) {
    const seconds = Number(setting.exec(configuration)?.[1]);
    t.ok(seconds > longestWait && seconds >= 4 * heartbeat, `${setting.source}: ${seconds} s`);
  }
}
