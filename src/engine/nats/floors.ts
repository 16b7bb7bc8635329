import type { Topic } from '../engine.js';
import type { Bucket } from './bucket.js';

/** What the keys of floors begin with in the bucket. */
export const FLOOR = 'floor.';

/** Up to where each topic was trimmed. */
export class Floors {
  /** @param bucket where they are kept */
  constructor(private readonly bucket: Bucket) {}

  /** Never behind what was purged before the call, by whatever node. 0 if nothing was. @throws EngineUnavailable */
  async read(topic: Topic): Promise<number> {
    return Number((await this.bucket.read(FLOOR + topic))?.value ?? 0);
  }

  /** Raises a floor, durable when it resolves: to be done before anything is purged. @throws EngineUnavailable */
  async raise(topic: Topic, floor: number): Promise<void> {
    await this.bucket.update(FLOOR + topic, (value) => (Number(value ?? 0) >= floor ? undefined : floor));
  }

  /** The topic is dropped. @throws EngineUnavailable */
  async forget(topic: Topic): Promise<void> {
    await this.bucket.remove(FLOOR + topic);
  }

  /** Topics that begin so and have a floor, as far as it is known here. */
  topics(prefix: string): Topic[] {
    return [...this.bucket.all(FLOOR + prefix)].map(([key]) => key.slice(FLOOR.length) as Topic);
  }

  /** Whose floor is under this key of the bucket; undefined for a key of something else. */
  topicOf(key: string): Topic | undefined {
    return key.startsWith(FLOOR) ? (key.slice(FLOOR.length) as Topic) : undefined;
  }
}
