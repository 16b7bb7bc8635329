import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { HttpProblem, type InputError, notFound } from './problem.js';

const PARTS: Readonly<Record<string, string>> = {
  querystring: 'query',
  params: 'path',
  headers: 'headers',
  body: 'body',
};

/** Validates a part of a request by its zod schema: once, and what comes out of it is what handlers get. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const part = PARTS[httpPart ?? 'body'] ?? 'request';
  return (input: unknown) => {
    // `/clients/` is not the address of a client that was badly written, but of nothing.
    if (part === 'path' && Object.values(input as Record<string, string>).includes('')) return { error: notFound() };
    // Fastify has null for a body that is not there.
    const result = schema.safeParse(input ?? undefined);
    return result.success ? { value: result.data } : { error: invalid(part, result.error.issues) };
  };
};

/** What is wrong with a part of a request, in one sentence and in a list. */
export function invalid(part: string, issues: readonly z.core.$ZodIssue[]): HttpProblem {
  const errors = issues.flatMap(toInputErrors);
  const first = errors[0];
  const detail = first
    ? `In the ${part}: ${first.path === '' ? '' : `"${first.path}" `}${first.message}.`
    : `The ${part} is not valid.`;
  return new HttpProblem('invalid-request', errors.length > 1 ? `${detail} See errors for the rest.` : detail, {
    errors,
  });
}

function toInputErrors(issue: z.core.$ZodIssue): InputError[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: path === '' ? key : `${path}.${key}`,
      message: 'is not known here: check the spelling, or leave it out',
    }));
  }
  return [{ path, message: issue.message }];
}
