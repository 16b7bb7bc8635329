import type { Json } from './engine.js';

/** By value, as it will be read again: nobody else sees a later change to the object. */
export function copyOf(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
