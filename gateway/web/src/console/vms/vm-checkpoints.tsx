/** The checkpoints of a VM, as the tree that they are, and what is done with them. */
import { Button, Checkbox, Label } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Me } from '../../../../api/auth.ts';
import {
  type Checkpoint,
  createCheckpoint,
  deleteCheckpoint,
  listCheckpoints,
  revertVm,
} from '../../../../api/checkpoint.ts';
import type { Vm } from '../../../../api/vm.ts';
import { client, sentence } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { holds } from '../../api/use-me.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { formatTime } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { text } from '../../text/text.ts';

const words = text.console.vms.checkpoints;

type Asking = { readonly what: 'take' } | { readonly what: 'revert' | 'delete'; readonly checkpoint: Checkpoint };

export function VmCheckpoints({ vm, me }: { readonly vm: Vm; readonly me: Me }) {
  const query = useQuery(apiQuery(listCheckpoints, { params: { vmId: vm.id } }));
  const [asking, setAsking] = useState<Asking>();
  if (query.isPending) return <Loading label={words.loading} />;
  if (query.isError) return <Failure title={words.couldNotBeListed} error={query.error} />;
  const all = query.data.items;
  const mayManage = holds(me, 'manage');
  return (
    <>
      {all.length === 0 && <p>{words.none}</p>}
      <Branch all={all} parentId={null} vm={vm} onAsk={mayManage ? setAsking : undefined} />
      {mayManage && 0 < vm.disks.length && (
        <Button variant="link" isInline onClick={() => setAsking({ what: 'take' })}>
          {words.takeOne}
        </Button>
      )}
      {asking?.what === 'take' && <TakeDialog vm={vm} onClose={() => setAsking(undefined)} />}
      {asking?.what === 'revert' && (
        <RevertDialog vm={vm} checkpoint={asking.checkpoint} onClose={() => setAsking(undefined)} />
      )}
      {asking?.what === 'delete' && (
        <DeleteDialog vm={vm} checkpoint={asking.checkpoint} onClose={() => setAsking(undefined)} />
      )}
    </>
  );
}

interface BranchProps {
  readonly all: readonly Checkpoint[];
  readonly parentId: string | null;
  readonly vm: Vm;
  readonly onAsk: ((asking: Asking) => void) | undefined;
}

/** What was taken from one state on; those whose parent is gone stand by themselves. */
function Branch({ all, parentId, vm, onAsk }: BranchProps) {
  const ids = new Set(all.map(({ id }) => id));
  const here = all.filter((one) => (one.parentId !== null && ids.has(one.parentId) ? one.parentId : null) === parentId);
  if (here.length === 0) return null;
  return (
    <ul className="oriel-tree" aria-label={parentId === null ? words.tree : words.after}>
      {here.map((checkpoint) => (
        <li key={checkpoint.id}>
          <strong>{checkpoint.name}</strong>{' '}
          <Label isCompact color={checkpoint.consistency === 'file-system' ? 'green' : 'orange'}>
            {words[checkpoint.consistency]}
          </Label>{' '}
          {checkpoint.isCurrent && <Label isCompact>{words.current}</Label>}{' '}
          <span className="oriel-subtle">
            {formatTime(checkpoint.createdAt)}, {sentence(checkpoint.reason)}
          </span>{' '}
          {onAsk !== undefined && (
            <>
              <Button
                variant="link"
                size="sm"
                isInline
                isDisabled={vm.state !== 'stopped'}
                aria-label={words.goBackTo(checkpoint.name)}
                onClick={() => onAsk({ what: 'revert', checkpoint })}
              >
                {words.goBack}
              </Button>{' '}
              <Button
                variant="link"
                size="sm"
                isInline
                aria-label={words.deleteIt(checkpoint.name)}
                onClick={() => onAsk({ what: 'delete', checkpoint })}
              >
                {words.delete}
              </Button>
            </>
          )}
          <Branch all={all} parentId={checkpoint.id} vm={vm} onAsk={onAsk} />
        </li>
      ))}
    </ul>
  );
}

const refresh = (): void => void refetch(['checkpoint.', 'disk.', 'task.', 'vm.']);

interface DialogProps {
  readonly vm: Vm;
  readonly onClose: () => void;
}

function TakeDialog({ vm, onClose }: DialogProps) {
  const [name, setName] = useState('');
  const take = async () => {
    await client.call(createCheckpoint, { params: { vmId: vm.id }, body: { name: name.trim() } });
    refresh();
  };
  return (
    <FormDialog
      title={words.takeTitle(vm.name)}
      submitLabel={words.take}
      isReady={name.trim() !== ''}
      onSubmit={take}
      onClose={onClose}
    >
      <TextField label={text.common.name} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <p>{words.whatItIs}</p>
    </FormDialog>
  );
}

function RevertDialog({ vm, checkpoint, onClose }: DialogProps & { readonly checkpoint: Checkpoint }) {
  const [keep, setKeep] = useState(true);
  const revert = async () => {
    await client.call(revertVm, { params: { vmId: vm.id, checkpointId: checkpoint.id }, body: { keep } });
    refresh();
  };
  return (
    <FormDialog
      title={words.revertTitle(vm.name, checkpoint.name)}
      submitLabel={words.goBack}
      isDanger={!keep}
      onSubmit={revert}
      onClose={onClose}
    >
      <Checkbox id="keep" label={words.keep} isChecked={keep} onChange={(_, isKept) => setKeep(isKept)} />
      {!keep && <p>{words.isLost}</p>}
    </FormDialog>
  );
}

function DeleteDialog({ vm, checkpoint, onClose }: DialogProps & { readonly checkpoint: Checkpoint }) {
  const remove = async () => {
    await client.call(deleteCheckpoint, { params: { vmId: vm.id, checkpointId: checkpoint.id } });
    refresh();
  };
  return (
    <FormDialog
      title={words.deleteTitle(checkpoint.name)}
      submitLabel={words.delete}
      isDanger
      onSubmit={remove}
      onClose={onClose}
    >
      <p>{words.staysTheSame}</p>
    </FormDialog>
  );
}
