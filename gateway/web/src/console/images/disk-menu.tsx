/** What can be done with a disk, image, template or snapshot. */
import { useState } from 'react';
import { type Disk, deleteDisk, deleteSnapshot, sealDisk } from '../../../../api/disk.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { RowMenu } from '../../shell/list/row-menu.tsx';
import { text } from '../../text/text.ts';
import { ChainDialog } from './chain-dialog.tsx';
import { DescribeDialog } from './describe-dialog.tsx';
import {
  CheckDialog,
  CompactDialog,
  CopyDialog,
  DownloadDialog,
  RebaseDialog,
  RepairDialog,
  ResizeDialog,
} from './work-dialogs.tsx';

const words = text.console.images.diskMenu;
const { common } = text;

const DIALOGS = {
  chain: ChainDialog,
  check: CheckDialog,
  repair: RepairDialog,
  download: DownloadDialog,
  copy: CopyDialog,
  describe: DescribeDialog,
  compact: CompactDialog,
  resize: ResizeDialog,
  rebase: RebaseDialog,
  delete: DeleteDialog,
} as const;
type Asked = keyof typeof DIALOGS;

/** What the kind allows at all; whether it can be done now is the gateway's to say, with what to do instead. */
const OFFERED: Readonly<Record<Disk['kind'], readonly Asked[]>> = {
  image: ['chain', 'check', 'download', 'copy', 'describe', 'compact', 'resize', 'repair'],
  template: ['chain', 'check', 'download', 'copy', 'describe'],
  disk: ['chain', 'check', 'download', 'copy', 'describe', 'compact', 'rebase'],
  snapshot: ['chain', 'check', 'download', 'copy', 'describe'],
};

export function DiskMenu({ disk }: { readonly disk: Disk }) {
  const [asked, setAsked] = useState<Asked>();
  const act = useAction('disk.', 'snapshot.');
  const isFree = disk.vm === null && (disk.childCount === 0 || disk.kind === 'snapshot');
  const seal = {
    key: 'seal',
    label: words.makeTemplate,
    onSelect: () => void act(words.template(disk.name), () => client.call(sealDisk, { params: { diskId: disk.id } })),
  };
  const remove = {
    key: 'delete',
    label: common.delete,
    isDanger: true,
    isDisabled: !isFree,
    onSelect: () => setAsked('delete'),
  };
  const Dialog = asked === undefined ? undefined : DIALOGS[asked];
  return (
    <>
      <RowMenu
        name={disk.name}
        actions={[
          ...OFFERED[disk.kind].map((key) => ({ key, label: words.offered[key], onSelect: () => setAsked(key) })),
          ...(disk.kind === 'image' && disk.health.state === 'ok' ? [seal] : []),
          remove,
        ]}
      />
      {Dialog !== undefined && <Dialog disk={disk} onClose={() => setAsked(undefined)} />}
    </>
  );
}

function DeleteDialog({ disk, onClose }: { readonly disk: Disk; readonly onClose: () => void }) {
  const remove = async () => {
    const { id, ofDiskId } = disk;
    if (ofDiskId === null) await client.call(deleteDisk, { params: { diskId: id } });
    else await client.call(deleteSnapshot, { params: { diskId: ofDiskId, snapshotId: id } });
    void refetch(['disk.', 'snapshot.', 'task.']);
  };
  return (
    <FormDialog
      title={words.askDelete(disk.name)}
      submitLabel={words.deleteIt}
      isDanger
      onSubmit={remove}
      onClose={onClose}
    >
      <p>{disk.kind === 'snapshot' ? words.foldedIntoNext : words.whatHoldsGoneGood}</p>
    </FormDialog>
  );
}
