/** A new VM, usually a linked clone of a template. */
import { Switch } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listDisks } from '../../../../api/disk.ts';
import { createVm, type VmSource } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';

const words = text.console.vms.vmCreateDialog;
const { common } = text;

type From = 'template' | 'image' | 'blank';
const FROM: readonly { readonly value: From; readonly label: string }[] = [
  { value: 'template', label: words.linkedCloneTemplateAtOnce },
  { value: 'image', label: words.linkedCloneImage },
  { value: 'blank', label: words.emptyDisk },
];
const GIB = 2 ** 30;

export function VmCreateDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [from, setFrom] = useState<From>('template');
  const [diskId, setDiskId] = useState('');
  const [sizeGib, setSizeGib] = useState('10');
  const [cpus, setCpus] = useState('1');
  const [memoryMib, setMemoryMib] = useState('512');
  const [doesStart, setDoesStart] = useState(true);
  const kind = from === 'image' ? 'image' : 'template';
  const disks = useQuery(apiQuery(listDisks, { query: { kind, limit: 500 } })).data?.items ?? [];
  const chosen = disks.find((disk) => disk.id === diskId) ?? disks[0];

  const source = (): VmSource | undefined => {
    if (from === 'blank') return { from, sizeBytes: Math.round(Number(sizeGib) * GIB) };
    if (chosen === undefined) return undefined;
    return from === 'template' ? { from, templateId: chosen.id } : { from, imageId: chosen.id };
  };
  const create = async () => {
    const made = source();
    if (made === undefined) return;
    await client.call(createVm, {
      body: {
        name: name.trim(),
        source: made,
        hardware: { vcpus: Number(cpus), memoryMiB: Number(memoryMib) },
        wanted: doesStart ? 'running' : 'stopped',
      },
      idempotencyKey: crypto.randomUUID(),
    });
    void refetch(['vm.', 'desktop.', 'disk.']);
  };

  return (
    <FormDialog
      title={words.newVirtualMachine}
      submitLabel={common.make}
      isReady={name.trim() !== '' && source() !== undefined}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField label={common.name} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <SelectField label={words.firstDisk} value={from} options={FROM} onChange={setFrom} />
      {from === 'blank' ? (
        <TextField label={words.sizeGib} type="number" min={1} max={2040} value={sizeGib} onChange={setSizeGib} />
      ) : (
        <SelectField
          label={from === 'template' ? words.template : words.image}
          value={chosen?.id ?? ''}
          options={
            disks.length === 0
              ? [{ value: '', label: words.thereNoYet(kind) }]
              : disks.map((disk) => ({ value: disk.id, label: disk.name }))
          }
          onChange={setDiskId}
        />
      )}
      <div className="oriel-form-pair">
        <TextField label={words.cpus} type="number" min={1} max={64} value={cpus} onChange={setCpus} />
        <TextField label={words.memoryMib} type="number" min={16} value={memoryMib} onChange={setMemoryMib} />
      </div>
      <Switch id="vm-start" label={words.start} isChecked={doesStart} onChange={(_, isOn) => setDoesStart(isOn)} />
    </FormDialog>
  );
}
