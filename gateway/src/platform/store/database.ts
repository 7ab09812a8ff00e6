/** All tables of the store. A feature adds a file to tables/, its interface here, and a migration to migrations/. */
import type { AuditTables } from './tables/audit.ts';
import type { AuthTables } from './tables/auth.ts';
import type { BackupTables } from './tables/backups.ts';
import type { CheckpointTables } from './tables/checkpoints.ts';
import type { DesktopTables } from './tables/desktops.ts';
import type { HostTables } from './tables/hosts.ts';
import type { SessionTables } from './tables/sessions.ts';
import type { StorageTables } from './tables/storages.ts';
import type { TaskTables } from './tables/tasks.ts';
import type { VmTables } from './tables/vms.ts';

export interface Database
  extends AuthTables,
    AuditTables,
    HostTables,
    VmTables,
    TaskTables,
    SessionTables,
    DesktopTables,
    StorageTables,
    CheckpointTables,
    BackupTables {}
