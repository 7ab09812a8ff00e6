/** OpenAPI 3.1 out of the route descriptions: nothing is written twice. Pure. */
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../../../api/errors.ts';
import { ProblemDocument } from '../../../api/problem.ts';
import type { Route } from '../../../api/route.ts';
import { COOKIE } from '../../identity/sign-in/cookies.ts';

type Json = Record<string, unknown>;

export interface OpenApi extends Json {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
}
export interface Operation extends Json {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
}

/** Codes that any route can answer with. */
const ALWAYS: readonly ErrorCode[] = ['BAD_REQUEST', 'TOO_MANY', 'INTERNAL', 'STOPPING'];

export function openApiOf(routes: readonly Route[], version: string): OpenApi {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    const path = (paths[`/api/v1${route.path}`] ??= {});
    path[route.method] = operationOf(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Oriel',
      version,
      description:
        'Sign in with the cookie of a browser session or send `Authorization: Bearer <API token>`. Errors are problem documents (RFC 9457); branch on `code`. Lists take `limit` and `cursor` and give `next`. Send `If-Match` with an ETag to be refused (412) when somebody else was faster, and `Idempotency-Key` with creating verbs to repeat them safely.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { cookie: [] }, { plainCookie: [] }],
    components: {
      schemas: { Problem: schemaOf(ProblemDocument, 'output') },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An API token' },
        cookie: { type: 'apiKey', in: 'cookie', name: COOKIE.secure },
        plainCookie: { type: 'apiKey', in: 'cookie', name: COOKIE.plain, description: 'On loopback without TLS' },
      },
    },
    paths,
  };
}

function operationOf(route: Route): Operation {
  const status = String(route.status ?? (route.reply === undefined && route.produces === undefined ? 204 : 200));
  const parameters = [
    ...parametersOf(route.params, 'path'),
    ...parametersOf(route.query, 'query'),
    ...(route.creates === true
      ? [header('Idempotency-Key', 'A repeat with the same key gives the first answer again')]
      : []),
    ...(route.errors?.includes('CHANGED_MEANWHILE') === true
      ? [header('If-Match', 'The ETag that the change is made from')]
      : []),
  ];
  return {
    operationId: route.id,
    summary: route.summary,
    tags: [route.id.split('.')[0] ?? route.id],
    ...(route.access === 'public' ? { security: [] } : {}),
    'x-oriel-access': route.access,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, 'input') } } },
        }),
    ...(route.consumes === undefined ? {} : { requestBody: { required: true, content: { [route.consumes]: {} } } }),
    responses: { [status]: successOf(route), ...problemsOf(route) },
  };
}

function successOf(route: Route): Json {
  if (route.produces !== undefined) return { description: 'Done', content: { [route.produces]: {} } };
  if (route.reply === undefined) return { description: 'Done' };
  return { description: 'Done', content: { 'application/json': { schema: schemaOf(route.reply, 'output') } } };
}

function problemsOf(route: Route): Json {
  const codes = new Set<ErrorCode>([...ALWAYS, ...(route.errors ?? [])]);
  if (route.access !== 'public') codes.add('NOT_SIGNED_IN').add('FORBIDDEN');
  if (route.params !== undefined) codes.add('NOT_FOUND');
  if (route.body !== undefined) codes.add('TOO_LARGE').add('UNSUPPORTED_MEDIA');
  if (route.method !== 'get') codes.add('WRONG_ORIGIN');
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code]);
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [String(status), { description: of.join(', '), content }]),
  );
}

function parametersOf(schema: z.ZodType | undefined, where: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as { properties?: Json; required?: string[] };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: property,
  }));
}

function header(name: string, description: string): Json {
  return { name, in: 'header', required: false, description, schema: { type: 'string' } };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  // OpenAPI 3.1 takes JSON Schema 2020-12 as it is; the dialect line would only repeat itself.
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
  }) as Json;
  return json;
}
