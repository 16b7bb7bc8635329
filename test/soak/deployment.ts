import type { Harm } from '../faults/harms.js';
import type { SlowProxy } from '../faults/slow-proxy.js';

/** Seconds for which a client may be away in a soak: short, so that a fault can last longer. */
export const GRACE = 15;

/** The heartbeat of streams in seconds. */
export const HEARTBEAT = 2;

/** @param keep messages that a mailbox or a room keeps */
export function settingsOf(keep: number): readonly string[] {
  return ['--grace', String(GRACE), '--keep-messages', String(keep), '--heartbeat', String(HEARTBEAT)];
}

/** The servers of a soak, and what can be done to them. */
export interface Deployment {
  /** URLs of the nodes that run, as the health check of a proxy has them: a fault takes its node out. */
  readonly nodes: readonly string[];
  /** URLs of all nodes. */
  readonly all: readonly string[];
  /** URL of a proxy that leads to one of the nodes that run, and that no fault touches. */
  readonly balancer: string;
  /** The same, for faults of the network. */
  readonly proxy: SlowProxy;
  readonly faults: readonly Harm[];
  /** Phases after the judgement, which no deployment survives. */
  readonly endings: readonly Ending[];
  /** Resolves when a further fault cannot add up with the last one. */
  settled(): Promise<void>;
  /** Ends the nodes with SIGTERM; their exit codes. */
  end(): Promise<(number | null)[]>;
}

export interface Ending {
  readonly name: string;
  readonly what: string;
  /** @returns violations, in words */
  readonly run: () => Promise<string[]>;
}

/** What a deployment has to know of the soak. */
export interface Soak {
  /** Of `interchat serve`. */
  readonly settings: readonly string[];
  readonly random: () => number;
  /** Resolves when a sender was refused (503) from now on. */
  readonly refused: () => Promise<void>;
  /** Resolves when no reader has a stream through the proxy, which it makes `away`. */
  readonly cutOff: () => Promise<void>;
}
