import type { Topic } from '../engine.js';

/** What things are called in NATS. Everything begins with the name that this InterChat has there. */
export class Names {
  /** The JetStream stream that is the log. */
  readonly log: string;
  /** The stream that knows which topic each dedup key was used for. */
  readonly keys: string;
  /** The stream that is given up when storage is full: see StorageReserve. */
  readonly reserve: string;
  /** The stream that says how far the others had come. */
  readonly marks: string;
  /** The bucket that is the directory, and the stream behind it. */
  readonly bucket: string;
  readonly bucketStream: string;
  readonly #logSubjects: string;
  readonly #liveSubjects: string;
  readonly #keySubjects: string;

  constructor(private readonly name: string) {
    this.log = `${name}-log`;
    this.keys = `${name}-keys`;
    this.reserve = `${name}-reserve`;
    this.marks = `${name}-marks`;
    this.bucket = `${name}-directory`;
    this.bucketStream = `KV_${this.bucket}`;
    this.#logSubjects = `${name}.log.`;
    this.#liveSubjects = `${name}.live.`;
    this.#keySubjects = `$KV.${this.bucket}.`;
  }

  /** Under which an entry of this topic is stored. */
  subject(topic: Topic | '>'): string {
    return this.#logSubjects + topic;
  }

  /** Under which what was stored of this topic is published to whoever follows it. */
  live(topic: Topic | '>'): string {
    return this.#liveSubjects + topic;
  }

  topicOf(subject: string): Topic {
    return subject.slice(this.#logSubjects.length) as Topic;
  }

  topicOfLive(subject: string): Topic {
    return subject.slice(this.#liveSubjects.length) as Topic;
  }

  /** Under which the topic is stored that a dedup key of this hash was used for. */
  dedupSubject(hash: string): string {
    return `${this.name}.keys.${hash}`;
  }

  /** Under which the note is stored of an entry that is gone, whose dedup key has this hash. No hash is as long. */
  goneSubject(hash: string): string {
    return `${this.name}.keys.gone-${hash}`;
  }

  /** Under which a note is stored that is too long for a header. */
  longNoteSubject(id: string): string {
    return `${this.name}.keys.note-${id}`;
  }

  /** Under which it is stored how far the other streams had come. */
  get mark(): string {
    return `${this.name}.mark`;
  }

  /** Where the nodes that run are asked how far they know the streams to have come. */
  get known(): string {
    return `${this.name}.known`;
  }

  /** Under which a key of the bucket is stored. */
  keySubject(key: string): string {
    return this.#keySubjects + key;
  }

  keyOf(subject: string): string {
    return subject.slice(this.#keySubjects.length);
  }

  /** Under which what was stored in the bucket is published. */
  liveKey(key: string): string {
    return `${this.name}.key.${key}`;
  }

  keyOfLive(subject: string): string {
    return subject.slice(`${this.name}.key.`.length);
  }

  /** Under which a part of the reserve is stored. */
  reserveSubject(part: string): string {
    return `${this.name}.reserve.${part}`;
  }

  /** Where a node tells the others that storage is full, and that it is not any more. */
  get full(): string {
    return `${this.name}.full`;
  }

  /** What nodes tell each other of what they hold. */
  get leases(): string {
    return `${this.name}.leases`;
  }

  /** Where a node is asked for something. */
  node(node: string, question: string): string {
    return `${this.name}.node.${node}.${question}`;
  }
}
