/**
 * The time of day as it was when this process began, going on since then in its own steps: milliseconds since 1970. Who puts
 * the clock of the machine right does not move it, so it measures how long ago something was, over restarts too, unless the
 * clock was set before one.
 */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}
