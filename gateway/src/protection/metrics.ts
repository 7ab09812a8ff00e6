/** What monitoring asks of backups: how old the last success of each VM is, how runs end, what repositories hold. */
import type { Kysely } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../platform/store/database.ts';

/** BOUNDED: VMs that have a series of their own. */
const MAX_VMS = 2_000;

/** Asked of the store when somebody scrapes, so that it is right after a restart too. */
export function backupMetrics(db: Kysely<Database>, registry: Registry): void {
  const gauge = <Name extends string>(
    name: string,
    help: string,
    labelNames: readonly Name[],
    collect: (set: (labels: Record<Name, string>, value: number) => void) => Promise<void>,
  ): void => {
    const made: Gauge<Name> = new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect: async () => {
        made.reset();
        await collect((labels, value) => made.set(labels, value));
      },
    });
  };
  gauge(
    'oriel_backup_last_success_timestamp_seconds',
    'When the last restore point of a VM was made, by repository.',
    ['vm', 'repository'],
    async (set) => {
      const rows = await db
        .selectFrom('restore_points')
        .innerJoin('repositories', 'repositories.id', 'restore_points.repository_id')
        .select((e) => ['vm_name', 'repositories.name', e.fn.max('restore_points.created_at').as('at')])
        .where('problem', 'is', null)
        .groupBy(['vm_id', 'vm_name', 'repositories.name'])
        .limit(MAX_VMS)
        .execute();
      for (const { vm_name, name, at } of rows) set({ vm: vm_name, repository: name }, at / 1000);
    },
  );
  gauge('oriel_backup_runs', 'Runs that are remembered, by how they ended.', ['state'], async (set) => {
    const rows = await db
      .selectFrom('backup_runs')
      .select((e) => ['state', e.fn.countAll<number>().as('count')])
      .groupBy('state')
      .execute();
    for (const { state, count } of rows) set({ state }, Number(count));
  });
  gauge('oriel_backup_job_last_run_failed', 'Whether the last run of a job failed: 1, or 0.', ['job'], async (set) => {
    const jobs = await db.selectFrom('backup_jobs').select(['id', 'name']).execute();
    for (const { id, name } of jobs) {
      const last = await db
        .selectFrom('backup_runs')
        .select('state')
        .where('job_id', '=', id)
        .where('ended_at', 'is not', null)
        .orderBy('ended_at', 'desc')
        .limit(1)
        .executeTakeFirst();
      set({ job: name }, last?.state === 'failed' ? 1 : 0);
    }
  });
  gauge('oriel_backup_stored_bytes', 'What the restore points of a repository take.', ['repository'], async (set) => {
    const rows = await db
      .selectFrom('restore_points')
      .innerJoin('repositories', 'repositories.id', 'restore_points.repository_id')
      .select((e) => ['repositories.name', e.fn.sum<number>('stored_bytes').as('bytes')])
      .groupBy('repositories.name')
      .execute();
    for (const { name, bytes } of rows) set({ repository: name }, Number(bytes));
  });
  gauge(
    'oriel_backup_damaged_points',
    'Restore points that verification found damaged, or that cannot be read.',
    ['repository'],
    async (set) => {
      const rows = await db
        .selectFrom('repositories')
        .leftJoin('restore_points', (join) =>
          join
            .onRef('repositories.id', '=', 'restore_points.repository_id')
            .on((e) => e.or([e('problem', 'is not', null), e('damage', 'is not', null)])),
        )
        .select((e) => ['repositories.name', e.fn.count<number>('point_id').as('count')])
        .groupBy('repositories.name')
        .execute();
      for (const { name, count } of rows) set({ repository: name }, Number(count));
    },
  );
}
