import { readFile } from 'node:fs/promises';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

export type Json = Record<string, unknown>;

export interface Content {
  readonly content?: Record<string, { schema: Json; example?: unknown }>;
  readonly headers?: Json;
}

export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Json;
  readonly example?: unknown;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses: Record<string, Content>;
}

/** The OpenAPI document, as it lies in the repository. */
export const document = parse(await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json> };
};

export const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: 'openapi', components: document.components });
/** With references that ajv can follow; once each, as it keeps what it has compiled. */
const local = new Map<string, Json>();

/** What keeps a value from being what a schema of the document says, a component or one that stands in an operation; null for nothing. */
export function faultsOf(schema: Json, value: unknown): ErrorObject[] | null {
  const text = JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components');
  const known = local.get(text) ?? (JSON.parse(text) as Json);
  local.set(text, known);
  return ajv.validate(known, value) ? null : (ajv.errors ?? []);
}
