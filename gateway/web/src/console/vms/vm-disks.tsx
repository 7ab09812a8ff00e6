/** The disks of a VM, each as the chain that it is, and taking a snapshot. */
import { Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Me } from '../../../../shared/auth.ts';
import { createSnapshot, type Disk, deleteSnapshot, listDisks } from '../../../../shared/disk.ts';
import type { Vm } from '../../../../shared/vm.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { holds } from '../../api/use-me.ts';
import { Failure } from '../../shell/failure.tsx';
import { FormDialog } from '../../shell/form-dialog.tsx';
import { Loading } from '../../shell/loading.tsx';
import { useNotices } from '../../shell/notices.tsx';
import { TextField } from '../../shell/text-field.tsx';
import { refetch } from '../../shell/use-action.ts';
import { ChainView } from '../images/chain-view.tsx';
import './disks.css';

export function VmDisks({ vm, me }: { readonly vm: Vm; readonly me: Me }) {
  const query = useQuery(apiQuery(listDisks, { query: { limit: 500 } }));
  const [snapshotOf, setSnapshotOf] = useState<Disk>();
  const [folding, setFolding] = useState<Folding>();
  if (query.isPending) return <Loading label="Loading disks" />;
  if (query.isError) return <Failure title="The disks could not be listed" error={query.error} />;
  const all = query.data.items;
  if (vm.disks.length === 0) return <p>It has no disk.</p>;
  return (
    <>
      {vm.disks.map(({ diskId, bus }) => {
        const disk = all.find((each) => each.id === diskId);
        if (disk === undefined) return <p key={diskId}>The disk {diskId} is not in the library.</p>;
        return (
          <section key={diskId} className="oriel-disk" aria-label={disk.name}>
            <div className="oriel-disk__head">
              <strong>{disk.name}</strong> <span className="oriel-subtle">{bus}</span>
              {holds(me, 'manage') && (
                <Button variant="secondary" size="sm" onClick={() => setSnapshotOf(disk)}>
                  Snapshot
                </Button>
              )}
            </div>
            <ChainView
              leaf={disk}
              disks={all}
              {...(holds(me, 'manage') ? { onFold: (snapshot: Disk) => setFolding({ disk, snapshot }) } : {})}
            />
          </section>
        );
      })}
      {folding !== undefined && <FoldDialog folding={folding} onClose={() => setFolding(undefined)} />}
      {snapshotOf !== undefined && <SnapshotDialog disk={snapshotOf} onClose={() => setSnapshotOf(undefined)} />}
    </>
  );
}

interface Folding {
  readonly disk: Disk;
  readonly snapshot: Disk;
}

function FoldDialog({ folding, onClose }: { readonly folding: Folding; readonly onClose: () => void }) {
  const { disk, snapshot } = folding;
  const notices = useNotices();
  const fold = async () => {
    await client.call(deleteSnapshot, { params: { diskId: disk.id, snapshotId: snapshot.id } });
    notices.tell('The snapshot is being folded', 'Tasks shows how far it is.');
    void refetch(['disk.', 'snapshot.', 'task.']);
  };
  return (
    <FormDialog title={`Fold ${snapshot.name}?`} submitLabel="Fold" isDanger onSubmit={fold} onClose={onClose}>
      <p>What the disk holds stays the same; there is no way back to this snapshot any more.</p>
    </FormDialog>
  );
}

function SnapshotDialog({ disk, onClose }: { readonly disk: Disk; readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const take = async () => {
    await client.call(createSnapshot, { params: { diskId: disk.id }, body: { name: name.trim() } });
    void refetch(['disk.', 'snapshot.', 'vm.']);
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
