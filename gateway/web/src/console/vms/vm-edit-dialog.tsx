/** Changing a VM. */
import { Alert, FormGroup, TextArea } from '@patternfly/react-core';
import { useState } from 'react';
import { editVm, VM_LIMITS, type Vm } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';
import { DiscField } from './disc-field.tsx';
import { FreshVm } from './fresh-vm.tsx';

const words = text.console.vms.vmEditDialog;
const { common } = text;

interface VmEditDialogProps {
  readonly vmId: string;
  readonly onClose: () => void;
}

export function VmEditDialog({ vmId, onClose }: VmEditDialogProps) {
  return <FreshVm vmId={vmId}>{(vm, etag) => <Fields vm={vm} etag={etag} onClose={onClose} />}</FreshVm>;
}

interface FieldsProps {
  readonly vm: Vm;
  readonly etag: string | undefined;
  readonly onClose: () => void;
}

function Fields({ vm, etag, onClose }: FieldsProps) {
  const [name, setName] = useState(vm.name);
  const [description, setDescription] = useState(vm.description);
  const [cpus, setCpus] = useState(String(vm.hardware.vcpus));
  const [memoryMib, setMemoryMib] = useState(String(vm.hardware.memoryMiB));
  const [cdImageId, setCdImageId] = useState(vm.cdImageId ?? '');
  const isOff = vm.state === 'stopped' || vm.state === 'failed';
  const save = async () => {
    await client.call(editVm, {
      params: { vmId: vm.id },
      body: {
        name: name.trim(),
        description,
        hardware: { ...vm.hardware, vcpus: Number(cpus), memoryMiB: Number(memoryMib) },
        cdImageId: cdImageId === '' ? null : cdImageId,
      },
      ifMatch: etag,
    });
    void refetch(['vm.', 'desktop.']);
  };
  return (
    <FormDialog
      title={words.change(vm.name)}
      submitLabel={common.save}
      isReady={name.trim() !== ''}
      onSubmit={save}
      onClose={onClose}
    >
      <TextField
        label={common.name}
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={VM_LIMITS.nameChars}
      />
      <FormGroup label={words.description} fieldId="vm-description">
        <TextArea
          id="vm-description"
          rows={2}
          maxLength={VM_LIMITS.descriptionChars}
          value={description}
          onChange={(_, value) => setDescription(value)}
        />
      </FormGroup>
      <div className="oriel-form-pair">
        <TextField label={words.cpus} type="number" min={1} max={VM_LIMITS.vcpus} value={cpus} onChange={setCpus} />
        <TextField
          label={words.memoryMib}
          type="number"
          min={VM_LIMITS.minMemoryMiB}
          max={VM_LIMITS.maxMemoryMiB}
          value={memoryMib}
          onChange={setMemoryMib}
        />
      </div>
      <DiscField value={cdImageId} onChange={setCdImageId} />
      {!isOff && <Alert component="p" isInline isPlain variant="info" title={words.runningWhatCannotChangeMeanwhile} />}
    </FormDialog>
  );
}
