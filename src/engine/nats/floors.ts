import { Conflict, type Topic } from '../engine.js';
import type { Bucket } from './bucket.js';

const PREFIX = 'floor.';

/** Up to where each topic was trimmed. */
export class Floors {
  /** @param bucket where they are kept */
  constructor(private readonly bucket: Bucket) {}

  /** Never behind what was purged before the call, by whatever node. 0 if nothing was. @throws EngineUnavailable */
  async read(topic: Topic): Promise<number> {
    return Number((await this.bucket.read(PREFIX + topic))?.value ?? 0);
  }

  /** Raises a floor, durable when it resolves: to be done before anything is purged. @throws EngineUnavailable */
  async raise(topic: Topic, floor: number): Promise<void> {
    for (;;) {
      const kept = await this.bucket.read(PREFIX + topic);
      if (Number(kept?.value ?? 0) >= floor) return;
      try {
        await this.bucket.put(PREFIX + topic, floor, kept?.revision ?? null);
        return;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
  }

  /** The topic is dropped. @throws EngineUnavailable */
  async forget(topic: Topic): Promise<void> {
    await this.bucket.remove(PREFIX + topic);
  }

  /** Whose floor is under this key of the bucket; undefined for a key of something else. */
  topicOf(key: string): Topic | undefined {
    return key.startsWith(PREFIX) ? (key.slice(PREFIX.length) as Topic) : undefined;
  }
}
