/**
 * The migrations, in order of their numbers. Numbers below 0100 are for sign-in, rights and audit; 01xx for hosts, VMs,
 * desktops, disks and tasks; 02xx for sessions and display; 03xx for storages and checkpoints; 04xx for backups. One that has been released never changes.
 * SQL must mean the same on SQLite and PostgreSQL: `text`, `integer` (0 or 1 for booleans), `bigint` (times in ms), JSON as text.
 */
import { auth } from './0001-auth.ts';
import { ceremonies } from './0002-ceremonies.ts';
import { auditStart } from './0003-audit-start.ts';
import { whoCausedIt } from './0004-who-caused-it.ts';
import { vms } from './0100-vms.ts';
import { taskResults } from './0101-task-results.ts';
import { sessions } from './0200-sessions.ts';
import { sessionRules } from './0201-session-rules.ts';
import { desktops } from './0202-desktops.ts';
import { storages } from './0300-storages.ts';
import { checkpoints } from './0301-checkpoints.ts';
import { backups } from './0400-backups.ts';
import type { StoreMigration } from './migration.ts';

export const migrations: readonly StoreMigration[] = [
  auth,
  ceremonies,
  auditStart,
  whoCausedIt,
  vms,
  taskResults,
  sessions,
  sessionRules,
  desktops,
  storages,
  checkpoints,
  backups,
];
