/** The audit log: who did what to what, and who was refused (ANSWERABLE). */
import { z } from 'zod';
import { pageOf, pageQuery } from './page.ts';
import { route } from './route.ts';

export const AuditLine = z.object({
  /** Counts up from 1 without a gap. */
  seq: z.int(),
  at: z.iso.datetime(),
  actor: z.object({ id: z.string().nullable(), name: z.string(), via: z.string() }),
  /** A route's id, or what happened by itself: `session.end`, `sign-in.expired`, … */
  action: z.string(),
  target: z.string().nullable(),
  outcome: z.enum(['ok', 'refused', 'failed']),
  /** The error code of a refusal or failure. */
  code: z.string().nullable(),
  address: z.string().nullable(),
  requestId: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
  /** SHA-256 over the previous line's hash and this line. */
  hash: z.string(),
});
export type AuditLine = z.infer<typeof AuditLine>;

const access = { right: 'audit' } as const;
const filters = {
  actorId: z.string().max(64).optional(),
  action: z.string().max(64).optional(),
  target: z.string().max(256).optional(),
  outcome: z.enum(['ok', 'refused', 'failed']).optional(),
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
};

export const listAudit = route({
  id: 'audit.list',
  method: 'get',
  path: '/audit',
  summary: 'Lists audit lines, newest first. To follow: the topic `audit` of the live events',
  access,
  query: pageQuery.extend(filters),
  reply: pageOf(AuditLine),
});
export const exportAudit = route({
  id: 'audit.export',
  method: 'get',
  path: '/audit/export',
  summary: 'All audit lines as JSON lines, oldest first',
  access,
  audited: true,
  query: z.object(filters),
  produces: 'application/x-ndjson',
});
export const verifyAudit = route({
  id: 'audit.verify',
  method: 'post',
  path: '/audit/verify',
  summary: 'Walks the chain of hashes and names the first line that was changed or removed',
  access,
  reply: z.object({
    lines: z.int(),
    /** The first line that is kept: older ones were let go, as the rules of retention say. */
    from: z.int(),
    isIntact: z.boolean(),
    /** The first sequence number that is wrong or missing; null when intact. */
    firstBad: z.int().nullable(),
    reason: z.string().nullable(),
    head: z.string(),
  }),
});
