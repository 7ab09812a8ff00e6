/** Deleting a VM: what becomes of its disks has to be said. */
import { Radio } from '@patternfly/react-core';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { deleteVm, type Vm, type VmDelete } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch } from '../../shell/form/use-action.ts';

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
      title={`Delete ${vm.name}?`}
      submitLabel="Delete"
      isDanger
      isReady={disks !== undefined}
      onSubmit={remove}
      onClose={onClose}
    >
      <p>The machine is stopped and removed. What happens to its disks?</p>
      <Radio
        id="disks-keep"
        name="disks"
        label="Keep them in the library"
        isChecked={disks === 'keep'}
        onChange={() => setDisks('keep')}
      />
      <Radio
        id="disks-delete"
        name="disks"
        label="Delete them for good"
        isChecked={disks === 'delete'}
        onChange={() => setDisks('delete')}
      />
    </FormDialog>
  );
}
