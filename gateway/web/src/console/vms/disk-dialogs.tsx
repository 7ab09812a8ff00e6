/** What is asked before something is done with the disk of a VM. */
import { useState } from 'react';
import { createSnapshot, DISK_LIMITS, type Disk, deleteSnapshot, growDisk, revertDisk } from '../../../../api/disk.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { useNotices } from '../../shell/frame/notices.tsx';

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
      title={`Snapshot of ${disk.name}`}
      submitLabel="Take it"
      isReady={name.trim() !== ''}
      onSubmit={take}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <p>The machine may go on running. What it writes from now on goes to a new link of the chain.</p>
    </FormDialog>
  );
}

export function FoldDialog({ disk, snapshot, onClose }: DiskDialogProps & { readonly snapshot: Disk }) {
  const notices = useNotices();
  const fold = async () => {
    await client.call(deleteSnapshot, { params: { diskId: disk.id, snapshotId: snapshot.id } });
    notices.tell('The snapshot is being folded', 'Tasks shows how far it is.');
    refresh();
  };
  return (
    <FormDialog title={`Fold ${snapshot.name}?`} submitLabel="Fold" isDanger onSubmit={fold} onClose={onClose}>
      <p>What the disk holds stays the same; there is no way back to this snapshot any more.</p>
    </FormDialog>
  );
}

export function RevertDialog({ disk, onClose }: DiskDialogProps) {
  const notices = useNotices();
  const revert = async () => {
    await client.call(revertDisk, { params: { diskId: disk.id } });
    notices.tell('The disk is being reverted', 'Tasks shows how far it is.');
    refresh();
  };
  return (
    <FormDialog title={`Revert ${disk.name}?`} submitLabel="Revert" isDanger onSubmit={revert} onClose={onClose}>
      <p>What was written since the newest snapshot, or since the disk was made, is thrown away for good.</p>
    </FormDialog>
  );
}

const GIB = 2 ** 30;

export function GrowDialog({ disk, onClose }: DiskDialogProps) {
  const [gib, setGib] = useState(String(Math.ceil((disk.sizeBytes + 1) / GIB)));
  const notices = useNotices();
  const grow = async () => {
    await client.call(growDisk, { params: { diskId: disk.id }, body: { sizeBytes: Math.round(Number(gib) * GIB) } });
    notices.tell('The disk is growing', 'A machine that runs is told at once; its log says if it cannot be.');
    refresh();
  };
  return (
    <FormDialog
      title={`Grow ${disk.name}`}
      submitLabel="Grow"
      isReady={disk.sizeBytes < Number(gib) * GIB}
      onSubmit={grow}
      onClose={onClose}
    >
      <TextField
        label="Size in GiB"
        type="number"
        min={1}
        max={Math.floor(DISK_LIMITS.maxBytes / GIB)}
        value={gib}
        onChange={setGib}
        isRequired
        hasFocus
      />
      <p>It cannot be made smaller again. The guest’s own file system is grown in the guest.</p>
    </FormDialog>
  );
}
