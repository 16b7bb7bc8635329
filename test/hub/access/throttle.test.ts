import t from 'tap';
import { SignInThrottle } from '../../../src/hub/access/throttle.js';
import { TooManyAttempts } from '../../../src/hub/access/too-many-attempts.js';

const MINUTE = 60_000;

/** A throttle whose clock moves when it is told to. */
class Scene {
  time = 1_000_000;
  readonly throttle: SignInThrottle;

  constructor(most?: number) {
    this.throttle = new SignInThrottle(() => this.time, most);
  }

  /** The seconds an attempt would have to wait; 0 when it was admitted, and is under way. */
  admit(account: string, address: string): number {
    try {
      this.throttle.admit(account, address);
      return 0;
    } catch (error) {
      if (error instanceof TooManyAttempts) return error.retryAfter;
      throw error;
    }
  }

  /** The same, but what was admitted has failed. */
  fail(account: string, address: string): number {
    const wait = this.admit(account, address);
    if (wait === 0) this.throttle.failed(account, address);
    return wait;
  }

  /** The same, but what was admitted has succeeded. */
  succeed(account: string, address: string): number {
    const wait = this.admit(account, address);
    if (wait === 0) this.throttle.succeeded(account, address);
    return wait;
  }

  /** Fails as early as it may, so often, and tells how many seconds it waited each time. */
  failures(count: number, account: string, address: string): number[] {
    return Array.from({ length: count }, () => {
      const wait = this.fail(account, address);
      this.time += wait * 1000;
      if (wait > 0 && this.fail(account, address) > 0) throw new Error('the pause was longer than told');
      return wait;
    });
  }

  /** As many failures of an account as are free, each from an address of its own. */
  guessFromElsewhere(account: string, count = 20, first = 0): void {
    for (let at = first; at < first + count; at++) this.fail(account, `198.51.${at >> 8}.${at & 255}`);
  }
}

void t.test(
  'one account from one address: five failures are free, then the pause grows to half a minute',
  async (t) => {
    const scene = new Scene();
    t.same(scene.failures(12, 'alice', '192.0.2.1'), [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
    t.equal(scene.fail('bob', '192.0.2.1'), 0, 'another account from there is not held up');
    t.equal(scene.fail('alice', '192.0.2.2'), 0, 'nor is this one from elsewhere');
  },
);

void t.test('the pause is exactly as long as told, and no attempt that is refused lengthens it', async (t) => {
  const scene = new Scene();
  scene.failures(8, 'alice', '192.0.2.1');
  for (let at = 0; at < 100; at++) {
    t.equal(scene.admit('alice', '192.0.2.1'), Math.ceil((8_000 - at * 70) / 1000));
    scene.time += 70;
  }
  scene.time += 999;
  t.equal(scene.admit('alice', '192.0.2.1'), 1);
  scene.time += 1;
  t.equal(scene.admit('alice', '192.0.2.1'), 0);
});

void t.test('one address: twenty failures are free, then the pause grows to half a minute', async (t) => {
  const scene = new Scene();
  const waits = Array.from({ length: 28 }, (_, at) => scene.failures(1, `user-${at}`, '192.0.2.1')[0]);
  t.same(waits, [...Array<number>(20).fill(0), 1, 2, 4, 8, 16, 30, 30, 30]);
  t.equal(scene.fail('user-0', '192.0.2.2'), 0);
});

void t.test('one account from everywhere: twenty failures are free, then the pause grows to ten seconds', async (t) => {
  const scene = new Scene();
  const waits = Array.from({ length: 26 }, (_, at) => scene.failures(1, 'alice', `192.0.2.${at}`)[0]);
  t.same(waits, [...Array<number>(20).fill(0), 1, 2, 4, 8, 10, 10]);
  t.equal(scene.fail('bob', '192.0.2.99'), 0);
});

void t.test('a thousand attempts at once do not all pass before the first has failed', async (t) => {
  const admitted = (scene: Scene, of: (at: number) => [string, string]) =>
    Array.from({ length: 1_000 }, (_, at) => scene.admit(...of(at))).filter((wait) => wait === 0).length;
  t.equal(
    admitted(new Scene(), () => ['alice', '192.0.2.1']),
    5,
  );
  t.equal(
    admitted(new Scene(), (at) => [`user-${at}`, '192.0.2.1']),
    20,
  );
  t.equal(
    admitted(new Scene(), (at) => ['alice', `198.51.${at >> 8}.${at & 255}`]),
    20,
  );

  const scene = new Scene();
  admitted(scene, () => ['alice', '192.0.2.1']);
  for (let at = 0; at < 5; at++) scene.throttle.failed('alice', '192.0.2.1');
  t.equal(scene.admit('alice', '192.0.2.1'), 1, 'each counts once, not while under way and again');
  scene.time += 1_000;
  t.equal(scene.admit('alice', '192.0.2.1'), 0);
  t.equal(scene.admit('alice', '192.0.2.1'), 2, 'beyond what is free, one at a time');
  scene.time += 30_000;
  t.ok(scene.admit('alice', '192.0.2.1') > 0, 'however long that one takes');
});

void t.test('an attempt without an outcome does not hold up others for ever', async (t) => {
  const scene = new Scene();
  for (let at = 0; at < 5; at++) scene.admit('alice', '192.0.2.1');
  t.equal(scene.admit('alice', '192.0.2.1'), 1);
  for (let at = 0; at < 5; at++) scene.throttle.abandoned('alice', '192.0.2.1');
  t.same(scene.failures(6, 'alice', '192.0.2.1'), [0, 0, 0, 0, 0, 1], 'what was abandoned has not failed');

  const untold = new Scene();
  for (let at = 0; at < 5; at++) untold.admit('alice', '192.0.2.1');
  untold.time += 2 * MINUTE - 1;
  t.equal(untold.admit('alice', '192.0.2.1'), 1);
  untold.time += 1;
  t.equal(untold.admit('alice', '192.0.2.1'), 0);
  for (let at = 0; at < 6; at++) untold.throttle.abandoned('alice', '192.0.2.1');
  t.same(untold.failures(6, 'alice', '192.0.2.1'), [0, 0, 0, 0, 0, 1], 'what ends too late counts for nothing');
});

void t.test('failures are forgotten after a quarter of an hour without one', async (t) => {
  const scene = new Scene();
  scene.failures(9, 'alice', '192.0.2.1');
  scene.time += 15 * MINUTE - 1;
  t.equal(scene.fail('alice', '192.0.2.1'), 0, 'the pause is over');
  t.equal(scene.fail('alice', '192.0.2.1'), 30, 'but nothing is forgotten: that was the tenth');
  scene.time += 15 * MINUTE;
  t.same(scene.failures(6, 'alice', '192.0.2.1'), [0, 0, 0, 0, 0, 1]);
});

void t.test('signing in clears what failed of this account from there, and nothing else', async (t) => {
  const scene = new Scene();
  scene.failures(5, 'alice', '192.0.2.1');
  scene.time += 1_000;
  t.equal(scene.succeed('alice', '192.0.2.1'), 0);
  t.same(scene.failures(6, 'alice', '192.0.2.1'), [0, 0, 0, 0, 0, 1]);

  // Whoever has an account must not buy guesses at those of others with it.
  const mixed = new Scene();
  for (let at = 0; at < 20; at++) {
    t.equal(mixed.fail(`victim-${at}`, '192.0.2.1'), 0);
    if (at < 19) t.equal(mixed.succeed('mallory', '192.0.2.1'), 0);
  }
  t.equal(mixed.admit('victim-20', '192.0.2.1'), 1);
  t.equal(mixed.admit('mallory', '192.0.2.1'), 1);
});

void t.test('from where an account has signed in before, it is let in at once while others guess', async (t) => {
  const scene = new Scene();
  t.equal(scene.succeed('alice', '2001:db8::1'), 0);
  scene.guessFromElsewhere('alice');
  t.equal(scene.admit('alice', '192.0.2.9'), 1, 'from a new address it has to wait');
  t.equal(scene.admit('bob', '192.0.2.9'), 0);
  t.equal(scene.succeed('alice', '2001:db8::ffff'), 0, 'from home it has not');
  for (let at = 0; at < 5; at++) t.equal(scene.fail('alice', '2001:db8::2'), 0);
  t.equal(scene.admit('alice', '2001:db8::3'), 1, 'but guessing from there has its pause');
});

void t.test('an account is remembered at its newest eight addresses', async (t) => {
  const scene = new Scene();
  for (let at = 0; at < 9; at++) scene.succeed('alice', `192.0.2.${at}`);
  scene.succeed('alice', '192.0.2.1');
  scene.guessFromElsewhere('alice');
  t.equal(scene.admit('alice', '192.0.2.0'), 1, 'the oldest is forgotten');
  for (let at = 1; at < 9; at++) t.equal(scene.succeed('alice', `192.0.2.${at}`), 0, `${at}`);
});

void t.test('the right password is let in within half a minute, even while others guess without end', async (t) => {
  const scene = new Scene();
  scene.guessFromElsewhere('alice');
  const start = scene.time;
  const waits: number[] = [];
  let wait: number;
  let attackers = 20;
  while ((wait = scene.succeed('alice', '192.0.2.1')) > 0) {
    waits.push(wait);
    // Each moment somebody else guesses, and is before alice whenever anybody may.
    for (const end = scene.time + wait * 1000; scene.time < end; scene.time += 100) {
      scene.guessFromElsewhere('alice', 1, attackers++);
    }
    scene.guessFromElsewhere('alice', 1, attackers++);
  }
  t.equal(scene.time - start, 30_000, waits.join());
  t.ok(Math.max(...waits) <= 10, 'told at most ten seconds at a time');
});

void t.test('having waited is good for one attempt', async (t) => {
  const scene = new Scene();
  scene.guessFromElsewhere('alice', 20);
  const keepUp = () => {
    const { throttle } = scene;
    throttle.failed('alice', '203.0.113.1');
  };
  t.equal(scene.admit('alice', '192.0.2.1'), 1);
  for (let at = 0; at < 30; at++) {
    scene.time += 1_000;
    keepUp();
  }
  t.equal(scene.fail('alice', '192.0.2.1'), 0);
  keepUp();
  t.equal(scene.fail('alice', '192.0.2.1'), 10);
});

void t.test('after the longest guessing from one address, it is let in there within half a minute', async (t) => {
  const scene = new Scene();
  for (let at = 0; at < 50; at++) scene.failures(1, at % 2 ? 'alice' : `user-${at}`, '192.0.2.1');
  t.equal(scene.succeed('alice', '192.0.2.1'), 30);
  scene.time += 30_000;
  t.equal(scene.succeed('alice', '192.0.2.1'), 0);
});

void t.test('a name that nobody has is treated as one that somebody has', async (t) => {
  const scene = new Scene();
  scene.succeed('alice', '2001:db8::1');
  const told = (account: string, other: string) => [
    scene.failures(8, account, `192.0.2.${other}`),
    Array.from({ length: 30 }, (_, at) => scene.failures(1, account, `198.51.${other}.${at}`)).flat(),
    scene.admit(account, `192.0.2.${other}`),
  ];
  const known = told('alice', '1');
  t.same(told('nobody', '2'), known);
  t.ok(
    known.flat().some((wait) => wait === 10),
    'and of both there is something to be told',
  );
});

void t.test('all of an IPv6 network is one address, and so is IPv4 within IPv6', async (t) => {
  const scene = new Scene();
  for (let at = 0; at < 5; at++) t.equal(scene.fail('alice', `2001:db8::${at}:${at}`), 0);
  t.equal(scene.admit('alice', '2001:db8::ffff'), 1);
  t.equal(scene.admit('alice', '2001:db8:0:1::1'), 0);
  for (let at = 0; at < 5; at++) t.equal(scene.fail('bob', at % 2 ? '192.0.2.1' : '::ffff:192.0.2.1'), 0);
  t.equal(scene.admit('bob', '::ffff:c000:201'), 1);
});

void t.test('names are told apart, however long they are', async (t) => {
  const scene = new Scene();
  const long = 'x'.repeat(100_000);
  for (let at = 0; at < 5; at++) scene.fail(`${long}a`, '192.0.2.1');
  t.equal(scene.admit(`${long}a`, '192.0.2.1'), 1);
  t.equal(scene.admit(`${long}b`, '192.0.2.1'), 0);
  for (const [account, address] of [
    ['a b', 'c'],
    ['a","b', 'c'],
  ] as const) {
    for (let at = 0; at < 5; at++) scene.fail(account, address);
  }
  t.equal(scene.admit('a', 'b c'), 0);
  t.equal(scene.admit('a', 'b","c'), 0);
});

void t.test('no more is remembered than there is room for, what is stalest goes first', async (t) => {
  const scene = new Scene(30);
  scene.failures(5, 'alice', '192.0.2.1');
  scene.failures(5, 'bob', '192.0.2.2');
  const others = (first: number) => {
    for (let at = first; at < first + 28; at++) scene.fail(`user-${at}`, `198.51.100.${at}`);
  };
  others(0);
  t.equal(scene.admit('alice', '192.0.2.1'), 1, 'there is room for these');
  scene.time += 1_000;
  t.equal(scene.fail('alice', '192.0.2.1'), 0);
  scene.fail('one', '203.0.113.1');
  t.equal(scene.admit('alice', '192.0.2.1'), 2);
  scene.time -= 1_000;
  t.equal(scene.admit('bob', '192.0.2.2'), 0, 'of him nothing is known any more');

  const known = new Scene(30);
  for (let at = 0; at < 31; at++) known.succeed(`user-${at}`, '192.0.2.1');
  for (const account of ['user-0', 'user-30']) known.guessFromElsewhere(account);
  t.equal(known.admit('user-0', '192.0.2.1'), 1);
  t.equal(known.admit('user-30', '192.0.2.1'), 0);
});

void t.test('asking for many names from an address that has to wait does not make others wait anew', async (t) => {
  const scene = new Scene(30);
  scene.guessFromElsewhere('alice');
  t.equal(scene.admit('alice', '192.0.2.1'), 1);
  for (let at = 0; at < 20; at++) scene.fail(`user-${at}`, '203.0.113.1');
  for (let at = 20; at < 100; at++) t.ok(scene.admit(`user-${at}`, '203.0.113.1') > 0);
  for (let at = 0; at < 30; at++) {
    scene.time += 1_000;
    scene.throttle.failed('alice', '203.0.113.2');
  }
  t.equal(scene.admit('alice', '192.0.2.1'), 0);
});
