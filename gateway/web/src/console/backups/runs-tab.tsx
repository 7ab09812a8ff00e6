/** Runs, newest first. */
import { Label } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { type BackupRun, listBackupRuns } from '../../../../api/backup.ts';
import { sentence } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { formatBytes, formatTime } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { text } from '../../text/text.ts';

const words = text.console.backups.runsTab;

const STATES = {
  running: { word: words.running, color: 'blue' },
  done: { word: words.done, color: 'green' },
  failed: { word: words.failed, color: 'red' },
} as const;

const COLUMNS: readonly Column<BackupRun>[] = [
  { key: 'vm', label: words.vm, isLong: true, cell: ({ vmName }) => vmName },
  { key: 'started', label: words.started, cell: ({ startedAt }) => formatTime(startedAt) },
  {
    key: 'state',
    label: words.state,
    isLong: true,
    cell: ({ state, error }) => (
      <>
        <Label isCompact color={STATES[state].color}>
          {STATES[state].word}
        </Label>
        {error !== null && <div className="oriel-reason">{sentence(error)}</div>}
      </>
    ),
  },
  {
    key: 'copied',
    label: words.copied,
    cell: ({ kind, dataBytes }) => (kind === null ? '' : `${formatBytes(dataBytes)}, ${words[kind]}`),
  },
];

export function RunsTab() {
  const query = useInfiniteQuery(apiPages(listBackupRuns, { query: {} }));
  return (
    <PagedTable query={query} label={text.console.backups.backupsPage.runs} columns={COLUMNS} empty={words.noRuns} />
  );
}
