/** Another disc in the CD drive, also while the machine runs. */
import { useState } from 'react';
import { editVm, type Vm } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';
import { DiscField } from './disc-field.tsx';

const words = text.console.vms.vmCdDialog;

export function VmCdDialog({ vm, onClose }: { readonly vm: Vm; readonly onClose: () => void }) {
  const [disc, setDisc] = useState(vm.cdImageId ?? '');
  const change = async () => {
    await client.call(editVm, { params: { vmId: vm.id }, body: { cdImageId: disc === '' ? null : disc } });
    void refetch(['vm.']);
  };
  return (
    <FormDialog title={words.driveOf(vm.name)} submitLabel={words.change} onSubmit={change} onClose={onClose}>
      <DiscField value={disc} onChange={setDisc} />
      <p>{words.guestSeesAtOnce}</p>
    </FormDialog>
  );
}
