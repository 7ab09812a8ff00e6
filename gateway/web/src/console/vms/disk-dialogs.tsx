/** What is asked before something is done with the disk of a VM. */
import { useState } from 'react';
import { createSnapshot, DISK_LIMITS, type Disk, deleteSnapshot, growDisk, revertDisk } from '../../../../api/disk.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';

const words = text.console.vms.diskDialogs;
const { common } = text;

interface DiskDialogProps {
  readonly disk: Disk;
  readonly onClose: () => void;
}

const refresh = () => void refetch(['disk.', 'snapshot.', 'task.', 'vm.']);

export function SnapshotDialog({ disk, onClose }: DiskDialogProps) {
  const [name, setName] = useState('');
  const take = async () => {
    await client.call(createSnapshot, { params: { diskId: disk.id }, body: { name: name.trim() } });
    refresh();
  };
  return (
    <FormDialog
      title={words.snapshot(disk.name)}
      submitLabel={words.take}
      isReady={name.trim() !== ''}
      onSubmit={take}
      onClose={onClose}
    >
      <TextField label={common.name} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <p>{words.machineMayGoRunningWhat}</p>
    </FormDialog>
  );
}

export function FoldDialog({ disk, snapshot, onClose }: DiskDialogProps & { readonly snapshot: Disk }) {
  const notices = useNotices();
  const fold = async () => {
    await client.call(deleteSnapshot, { params: { diskId: disk.id, snapshotId: snapshot.id } });
    notices.tell(words.snapshotBeingFolded, words.tasksShowsHowFar);
    refresh();
  };
  return (
    <FormDialog
      title={words.askFold(snapshot.name)}
      submitLabel={words.fold}
      isDanger
      onSubmit={fold}
      onClose={onClose}
    >
      <p>{words.whatDiskHoldsStaysSame}</p>
    </FormDialog>
  );
}

export function RevertDialog({ disk, onClose }: DiskDialogProps) {
  const notices = useNotices();
  const revert = async () => {
    await client.call(revertDisk, { params: { diskId: disk.id } });
    notices.tell(words.diskBeingReverted, words.tasksShowsHowFar);
    refresh();
  };
  return (
    <FormDialog
      title={words.askRevert(disk.name)}
      submitLabel={words.revert}
      isDanger
      onSubmit={revert}
      onClose={onClose}
    >
      <p>{words.whatWasWrittenSinceNewest}</p>
    </FormDialog>
  );
}

const GIB = 2 ** 30;

export function GrowDialog({ disk, onClose }: DiskDialogProps) {
  const [gib, setGib] = useState(String(Math.ceil((disk.sizeBytes + 1) / GIB)));
  const notices = useNotices();
  const grow = async () => {
    await client.call(growDisk, { params: { diskId: disk.id }, body: { sizeBytes: Math.round(Number(gib) * GIB) } });
    notices.tell(words.diskGrowing, words.machineRunsToldAtOnce);
    refresh();
  };
  return (
    <FormDialog
      title={words.grow(disk.name)}
      submitLabel={words.growIt}
      isReady={disk.sizeBytes < Number(gib) * GIB}
      onSubmit={grow}
      onClose={onClose}
    >
      <TextField
        label={words.sizeGib}
        type="number"
        min={1}
        max={Math.floor(DISK_LIMITS.maxBytes / GIB)}
        value={gib}
        onChange={setGib}
        isRequired
        hasFocus
      />
      <p>{words.cannotBeMadeSmallerAgain}</p>
    </FormDialog>
  );
}
