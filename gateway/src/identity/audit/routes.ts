/** The audit log over the API. */
import { exportAudit, listAudit, verifyAudit } from '../../../api/audit.ts';
import { GatewayError } from '../../errors.ts';
import { type BoundRoute, bind, bindRaw } from '../../platform/api/bind.ts';
import type { AuditLog } from './audit-log.ts';

export function auditRoutes(audit: AuditLog): BoundRoute[] {
  return [
    bind(listAudit, async ({ query: { limit, cursor, ...filter } }) => {
      const before = cursor === undefined ? undefined : Number(cursor);
      if (before !== undefined && !Number.isSafeInteger(before))
        throw new GatewayError('BAD_REQUEST', 'this cursor is not one of ours');
      const items = await audit.list(filter, limit, before);
      const last = items.at(-1);
      return items.length < limit || last === undefined ? { items } : { items, next: String(last.seq) };
    }),
    bind(verifyAudit, async ({ note }) => {
      const verdict = await audit.verify();
      note({ isIntact: verdict.isIntact, firstBad: verdict.firstBad });
      return verdict;
    }),
    bindRaw(exportAudit, async ({ query, signal }, response) => {
      response.writeHead(200, {
        'content-type': 'application/x-ndjson',
        'content-disposition': 'attachment; filename="oriel-audit.jsonl"',
      });
      for await (const line of audit.export(query)) {
        if (signal.aborted) return;
        if (!response.write(`${JSON.stringify(line)}\n`)) {
          await new Promise<void>((resume) => {
            response.once('drain', resume);
            response.once('close', resume);
          });
        }
      }
      response.end();
    }),
  ];
}
