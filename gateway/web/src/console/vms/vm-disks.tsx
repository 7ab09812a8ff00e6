/** The disks of a VM, each as the chain that it is, and what is done with it. */
import { Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Me } from '../../../../api/auth.ts';
import { type Disk, listDisks } from '../../../../api/disk.ts';
import type { Vm } from '../../../../api/vm.ts';
import { apiQuery } from '../../api/query.ts';
import { holds } from '../../api/use-me.ts';
import { formatBytes } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { ChainView } from '../images/chain-view.tsx';
import { FoldDialog, GrowDialog, RevertDialog, SnapshotDialog } from './disk-dialogs.tsx';
import './disks.css';
import { text } from '../../text/text.ts';

const words = text.console.vms.vmDisks;

type Asking =
  | { readonly what: 'snapshot' | 'revert' | 'grow'; readonly disk: Disk }
  | { readonly what: 'fold'; readonly disk: Disk; readonly snapshot: Disk };

export function VmDisks({ vm, me }: { readonly vm: Vm; readonly me: Me }) {
  const query = useQuery(apiQuery(listDisks, { query: { limit: 500 } }));
  const [asking, setAsking] = useState<Asking>();
  if (query.isPending) return <Loading label={words.loadingDisks} />;
  if (query.isError) return <Failure title={words.disksCouldNotBeListed} error={query.error} />;
  const all = query.data.items;
  const mayManage = holds(me, 'manage');
  if (vm.disks.length === 0) return <p>{words.hasNoDisk}</p>;
  return (
    <>
      {vm.disks.map(({ diskId, bus }) => {
        const disk = all.find((each) => each.id === diskId);
        if (disk === undefined) return <p key={diskId}>{words.diskNotLibrary(diskId)}</p>;
        return (
          <section key={diskId} className="oriel-disk" aria-label={disk.name}>
            <div className="oriel-disk__head">
              <strong>{disk.name}</strong>{' '}
              <span className="oriel-subtle">
                {bus}, {formatBytes(disk.sizeBytes)}
              </span>
              {mayManage && <DiskActions vm={vm} disk={disk} onAsk={setAsking} />}
            </div>
            <ChainView
              leaf={disk}
              disks={all}
              {...(mayManage ? { onFold: (snapshot: Disk) => setAsking({ what: 'fold', disk, snapshot }) } : {})}
            />
          </section>
        );
      })}
      {asking !== undefined && <DiskDialog asking={asking} onClose={() => setAsking(undefined)} />}
    </>
  );
}

interface DiskActionsProps {
  readonly vm: Vm;
  readonly disk: Disk;
  readonly onAsk: (asking: Asking) => void;
}

function DiskActions({ vm, disk, onAsk }: DiskActionsProps) {
  const isOff = vm.state === 'stopped' || vm.state === 'failed';
  return (
    <>
      <Button variant="secondary" size="sm" onClick={() => onAsk({ what: 'snapshot', disk })}>
        {words.snapshot}
      </Button>
      <Button
        variant="secondary"
        size="sm"
        isAriaDisabled={!isOff}
        {...(isOff ? {} : { title: words.stopMachineFirst })}
        onClick={() => onAsk({ what: 'revert', disk })}
      >
        {words.revert}
      </Button>
      <Button variant="secondary" size="sm" onClick={() => onAsk({ what: 'grow', disk })}>
        {words.grow}
      </Button>
    </>
  );
}

function DiskDialog({ asking, onClose }: { readonly asking: Asking; readonly onClose: () => void }) {
  switch (asking.what) {
    case 'snapshot':
      return <SnapshotDialog disk={asking.disk} onClose={onClose} />;
    case 'revert':
      return <RevertDialog disk={asking.disk} onClose={onClose} />;
    case 'grow':
      return <GrowDialog disk={asking.disk} onClose={onClose} />;
    case 'fold':
      return <FoldDialog disk={asking.disk} snapshot={asking.snapshot} onClose={onClose} />;
  }
}
