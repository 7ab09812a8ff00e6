/** Backup jobs: when they run, what they keep, how the last run went. */
import { Button, Label } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import {
  type BackupJob,
  deleteBackupJob,
  editBackupJob,
  listBackupJobs,
  type Retention,
  runBackupJob,
} from '../../../../api/backup.ts';
import { client } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { serverNow } from '../../api/server-clock.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { formatAgo, formatTime } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { RowMenu } from '../../shell/list/row-menu.tsx';
import { text } from '../../text/text.ts';
import { JobDialog } from './job-dialog.tsx';
import { VerdictDialog } from './verdict-dialog.tsx';

const words = text.console.backups.jobsTab;

const COLUMNS: readonly Column<BackupJob>[] = [
  { key: 'name', label: words.name, isLong: true, cell: ({ name }) => name },
  {
    key: 'schedule',
    label: words.schedule,
    cell: ({ schedule, timeZone }) => (schedule === null ? words.byHand : `${schedule} (${timeZone})`),
  },
  {
    key: 'next',
    label: words.next,
    cell: ({ isEnabled, nextRunAt }) => (isEnabled ? formatTime(nextRunAt) : words.disabled),
  },
  { key: 'last', label: words.last, cell: (job) => <LastRun job={job} /> },
  { key: 'keeps', label: words.keeps, isLong: true, cell: ({ retention }) => keptOf(retention) },
];

function keptOf(retention: Retention | null): string {
  if (retention === null) return words.everything;
  return Object.entries(retention)
    .filter(([, count]) => 0 < count)
    .map(([period, count]) => `${count} ${words.keptCount[period as keyof Retention]}`)
    .join(', ');
}

function LastRun({ job: { lastRun } }: { readonly job: BackupJob }) {
  if (lastRun === null) return null;
  return (
    <>
      <Label isCompact color={lastRun.state === 'done' ? 'green' : 'red'}>
        {lastRun.state === 'done' ? words.lastDone : words.lastFailed}
      </Label>{' '}
      {formatAgo(lastRun.endedAt, serverNow())}
    </>
  );
}

type Dialog = { readonly kind: 'new' } | { readonly kind: 'verdicts' | 'delete'; readonly job: BackupJob };

export function JobsTab({ canManage }: { readonly canManage: boolean }) {
  const [dialog, setDialog] = useState<Dialog>();
  const query = useInfiniteQuery(apiPages(listBackupJobs, { query: {} }));
  const act = useAction('backup-job.', 'backup.', 'task.');
  const close = () => setDialog(undefined);
  return (
    <>
      {canManage && (
        <div className="oriel-list__filters">
          <Button onClick={() => setDialog({ kind: 'new' })}>{words.newJob}</Button>
        </div>
      )}
      <PagedTable
        query={query}
        label={text.console.backups.backupsPage.jobs}
        columns={COLUMNS}
        empty={words.noJobs}
        emptyHint={words.noJobsHint}
        actions={(job) => {
          const params = { jobId: job.id };
          const { isEnabled } = job;
          return (
            <RowMenu
              name={job.name}
              actions={[
                {
                  key: 'run',
                  label: words.runNow,
                  onSelect: () => void act(words.running(job.name), () => client.call(runBackupJob, { params })),
                },
                ...(canManage
                  ? [
                      {
                        key: 'enable',
                        label: isEnabled ? words.disable : words.enable,
                        onSelect: () =>
                          void act(isEnabled ? words.disabledNow(job.name) : words.enabled(job.name), () =>
                            client.call(editBackupJob, { params, body: { isEnabled: !isEnabled } }),
                          ),
                      },
                      {
                        key: 'verdicts',
                        label: words.whatStays,
                        isDisabled: job.retention === null,
                        onSelect: () => setDialog({ kind: 'verdicts', job }),
                      },
                      {
                        key: 'delete',
                        label: words.remove,
                        isDanger: true,
                        onSelect: () => setDialog({ kind: 'delete', job }),
                      },
                    ]
                  : []),
              ]}
            />
          );
        }}
      />
      {dialog?.kind === 'new' && <JobDialog onClose={close} />}
      {dialog?.kind === 'verdicts' && <VerdictDialog job={dialog.job} onClose={close} />}
      {dialog?.kind === 'delete' && (
        <FormDialog
          title={words.askRemove(dialog.job.name)}
          submitLabel={words.remove}
          isDanger
          onSubmit={() =>
            client.call(deleteBackupJob, { params: { jobId: dialog.job.id } }).then(() => refetch(['backup-job.']))
          }
          onClose={close}
        >
          <p>{words.removeHint}</p>
        </FormDialog>
      )}
    </>
  );
}
