import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { Entry, Seq } from '../engine/engine.js';
import type { HistoryPage, HistoryQuery, PageMemory } from '../hub/history.js';
import { messageJson } from '../hub/message.js';
import type { HistoryQuery as QuerySchema } from './schemas.js';
import { JSON_TYPE, verbatim } from './verbatim.js';

const COMMA = Buffer.from(',');

/** What is asked of a history, as the hub takes it. @param after where `after` is */
export function historyQuery(
  query: z.output<typeof QuerySchema>,
  after: Seq | undefined,
  memory: PageMemory,
): HistoryQuery {
  const { before, limit, wait, q } = query;
  return { after, before: before as Seq | undefined, limit, wait: wait * 1000, q, memory };
}

/** Answers with a page, whose messages are JSON already. */
export function answerHistory(reply: object, { entries, gap }: HistoryPage, cursor: string): FastifyReply {
  const answer = (reply as FastifyReply).header('cache-control', 'no-store');
  // As bytes, which the messages are already: a page may be long, and texts of it would wait for the garbage collector.
  const parts: Uint8Array[] = [Buffer.from('{"messages":[')];
  for (const { seq, body } of entries) {
    if (parts.length > 1) parts.push(COMMA);
    parts.push(Buffer.from(messageJson(seq, '{')), body.subarray(1));
  }
  parts.push(Buffer.from(`],"cursor":${JSON.stringify(cursor)},"gap":${gap}}`));
  return verbatim(answer, JSON_TYPE, Buffer.concat(parts));
}

/** Answers with one message. */
export function answerEntry(reply: object, entry: Entry): FastifyReply {
  return verbatim((reply as FastifyReply).header('cache-control', 'no-store'), JSON_TYPE, entryJson(entry));
}

function entryJson({ seq, body }: Entry): string {
  return messageJson(seq, Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
}
