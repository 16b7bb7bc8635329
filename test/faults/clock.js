import { readFileSync } from 'node:fs';
import process from 'node:process';

/**
 * Loaded into a server before its own code: a clock that is wrong by as many milliseconds as the file says that CLOCK names.
 * It is read at the start, and whenever SIGUSR2 comes. What JavaScript sees of the time of day follows it; timers do not, as
 * they do not follow the clock of the machine.
 */
const file = process.env.CLOCK;
let wrong = 0;

function step() {
  wrong = Number(readFileSync(file, 'utf8'));
  process.stdout.write(`clock wrong by ${wrong}\n`);
}

process.on('SIGUSR2', step);
step();

globalThis.Date = new Proxy(Date, {
  get: (target, key) => (key === 'now' ? () => target.now() + wrong : Reflect.get(target, key)),
  construct: (target, given, made) =>
    Reflect.construct(target, given.length > 0 ? given : [target.now() + wrong], made),
});
