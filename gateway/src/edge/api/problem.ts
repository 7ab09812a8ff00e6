/** Errors as problem documents (RFC 9457). What is not a GatewayError is INTERNAL, and nothing of it is shown. */
import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Problem } from '../../../api/errors.ts';
import { ERRORS } from '../../../api/errors.ts';
import { GatewayError } from '../../errors.ts';

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';
const MAX_ISSUES = 20;

export function problemOf(error: GatewayError, requestId: string): Problem {
  const { title, status } = ERRORS[error.code];
  const type = `urn:oriel:error:${error.code.toLowerCase().replaceAll('_', '-')}`;
  return {
    type,
    title,
    status,
    detail: error.message,
    code: error.code,
    requestId,
    ...(error.errors === undefined ? {} : { errors: [...error.errors] }),
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
  };
}

export function sendProblem(response: ServerResponse, error: GatewayError, requestId: string): void {
  if (response.headersSent) {
    response.destroy(); // Half an answer is out: the only honest end is a cut.
    return;
  }
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store' };
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.retryAfterSeconds);
  if (error.status === 401) headers['www-authenticate'] = 'Bearer realm="oriel"';
  if (error.code === 'TOO_LARGE') headers['connection'] = 'close'; // The rest of the body is not read.
  response.writeHead(error.status, headers).end(JSON.stringify(problemOf(error, requestId)));
}

/** A schema's complaint. The values themselves are not repeated: one may be a password. */
export function schemaError(where: 'path' | 'query' | 'body', error: z.ZodError): GatewayError {
  const errors = error.issues.slice(0, MAX_ISSUES).map((issue) => ({
    path: [where, ...issue.path.map(String)].join('.'),
    message: issue.message,
  }));
  return new GatewayError('BAD_REQUEST', `the ${where} does not match its schema`, { errors });
}
