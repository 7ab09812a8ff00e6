/** Deleting a VM: what becomes of its disks has to be said. */
import { Radio } from '@patternfly/react-core';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { deleteVm, type Vm, type VmDelete } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';

const words = text.console.vms.vmDeleteDialog;

interface VmDeleteDialogProps {
  readonly vm: Vm;
  readonly onClose: () => void;
}

export function VmDeleteDialog({ vm, onClose }: VmDeleteDialogProps) {
  const [disks, setDisks] = useState<VmDelete['disks']>();
  const navigate = useNavigate();
  const remove = async () => {
    if (disks === undefined) return;
    await client.call(deleteVm, { params: { vmId: vm.id }, query: { disks } });
    void refetch(['vm.', 'desktop.', 'disk.']);
    await navigate('/console/vms');
  };
  return (
    <FormDialog
      title={words.askDelete(vm.name)}
      submitLabel="Delete"
      isDanger
      isReady={disks !== undefined}
      onSubmit={remove}
      onClose={onClose}
    >
      <p>{words.askMachineStoppedRemovedWhat}</p>
      <Radio
        id="disks-keep"
        name={words.disks}
        label={words.keepThemLibrary}
        isChecked={disks === 'keep'}
        onChange={() => setDisks('keep')}
      />
      <Radio
        id="disks-delete"
        name={words.disks}
        label={words.deleteThemGood}
        isChecked={disks === 'delete'}
        onChange={() => setDisks('delete')}
      />
    </FormDialog>
  );
}
