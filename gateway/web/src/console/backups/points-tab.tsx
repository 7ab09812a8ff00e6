/** Restore points, newest first, with what can be done with each. */
import { Button, HelperText, HelperTextItem, Label } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import {
  deleteRestorePoint,
  editRestorePoint,
  exportRestorePoint,
  listRestorePoints,
  type RestorePoint,
  verifyRestorePoint,
} from '../../../../api/backup.ts';
import { client, sentence } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { formatBytes, formatTime } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { type RowAction, RowMenu } from '../../shell/list/row-menu.tsx';
import { text } from '../../text/text.ts';
import { paramsOf } from './params-of.ts';
import { RestoreDialog } from './restore-dialog.tsx';
import { RunDialog } from './run-dialog.tsx';

const words = text.console.backups.pointsTab;

const HEALTH = {
  unverified: { word: words.unverified, color: 'grey' },
  ok: { word: words.ok, color: 'green' },
  damaged: { word: words.damaged, color: 'red' },
  unread: { word: words.unread, color: 'red' },
} as const;

const CONSISTENCY = {
  application: words.application,
  'file-system': words.fileSystem,
  crash: words.crash,
} as const;

const COLUMNS: readonly Column<RestorePoint>[] = [
  { key: 'vm', label: words.vm, isLong: true, cell: ({ vmName }) => vmName },
  { key: 'taken', label: words.taken, cell: ({ createdAt }) => formatTime(createdAt) },
  { key: 'holds', label: words.holds, cell: holdsOf },
  { key: 'stored', label: words.stored, cell: ({ storedBytes }) => formatBytes(storedBytes) },
  {
    key: 'consistency',
    label: words.consistency,
    isLong: true,
    cell: ({ consistency, reason }) => (
      <>
        {CONSISTENCY[consistency]}
        {reason !== '' && (
          <HelperText>
            <HelperTextItem>{sentence(reason)}</HelperTextItem>
          </HelperText>
        )}
      </>
    ),
  },
  { key: 'health', label: words.health, cell: (point) => <Health point={point} /> },
];

function holdsOf({ disks }: RestorePoint): string {
  const size = formatBytes(disks.reduce((sum, { dataBytes }) => sum + dataBytes, 0));
  return disks.some(({ kind }) => kind === 'full') ? `${size}, ${words.full}` : words.increment(size);
}

function Health({ point: { health, problems, isPinned } }: { readonly point: RestorePoint }) {
  const { word, color } = HEALTH[health];
  return (
    <>
      <Label isCompact color={color}>
        {word}
      </Label>{' '}
      {isPinned && (
        <Label isCompact color="blue">
          {words.pinned}
        </Label>
      )}
      {problems[0] !== undefined && <div className="oriel-reason">{sentence(problems[0])}</div>}
    </>
  );
}

type Dialog = { readonly kind: 'run' } | { readonly kind: 'restore' | 'remove'; readonly point: RestorePoint };

export function PointsTab({ canManage }: { readonly canManage: boolean }) {
  const [dialog, setDialog] = useState<Dialog>();
  const query = useInfiniteQuery(apiPages(listRestorePoints, { query: {} }));
  const act = useAction('restore-point.', 'task.');
  const close = () => setDialog(undefined);
  const actionsOf = (point: RestorePoint): RowAction[] => {
    const params = paramsOf(point);
    const { vmName, isPinned } = point;
    const all: RowAction[] = [
      { key: 'restore', label: words.restore, onSelect: () => setDialog({ kind: 'restore', point }) },
      {
        key: 'verify',
        label: words.verify,
        onSelect: () =>
          void act(words.verifying(vmName), () => client.call(verifyRestorePoint, { params, body: { sample: 1 } })),
      },
      {
        key: 'pin',
        label: isPinned ? words.unpin : words.pin,
        onSelect: () =>
          void act(isPinned ? words.unpinning(vmName) : words.pinning(vmName), () =>
            client.call(editRestorePoint, { params, body: { isPinned: !isPinned } }),
          ),
      },
    ];
    if (!canManage) return all;
    return [
      ...all,
      {
        key: 'export',
        label: words.exportIt,
        onSelect: () => void act(words.exporting(vmName), () => client.call(exportRestorePoint, { params })),
      },
      {
        key: 'remove',
        label: words.remove,
        isDanger: true,
        isDisabled: isPinned,
        onSelect: () => setDialog({ kind: 'remove', point }),
      },
    ];
  };
  return (
    <>
      <div className="oriel-list__filters">
        <Button onClick={() => setDialog({ kind: 'run' })}>{words.backUpNow}</Button>
      </div>
      <PagedTable
        query={query}
        label={text.console.backups.backupsPage.points}
        columns={COLUMNS}
        empty={words.noPoints}
        emptyHint={words.noPointsHint}
        actions={(point) => (
          <RowMenu name={words.whatCanBeDone(point.vmName, formatTime(point.createdAt))} actions={actionsOf(point)} />
        )}
      />
      {dialog?.kind === 'run' && <RunDialog onClose={close} />}
      {dialog?.kind === 'restore' && <RestoreDialog point={dialog.point} onClose={close} />}
      {dialog?.kind === 'remove' && (
        <FormDialog
          title={words.askRemove(dialog.point.vmName, formatTime(dialog.point.createdAt))}
          submitLabel={words.remove}
          isDanger
          onSubmit={() =>
            client
              .call(deleteRestorePoint, { params: paramsOf(dialog.point) })
              .then(() => refetch(['restore-point.', 'task.']))
          }
          onClose={close}
        >
          <p>{words.removeHint}</p>
        </FormDialog>
      )}
    </>
  );
}
