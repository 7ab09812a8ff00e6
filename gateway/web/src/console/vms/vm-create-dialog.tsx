/** A new VM, usually a linked clone of a template. */
import { Checkbox, ExpandableSection, FormGroup, Switch, TextArea } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listDisks } from '../../../../api/disk.ts';
import { listHosts } from '../../../../api/host.ts';
import { createVm, VM_LIMITS, type VmSource } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';
import { DiscField } from './disc-field.tsx';
import { ADVANCED, HardwareFields } from './hardware-fields.tsx';
import './disks.css';

const words = text.console.vms.vmCreateDialog;
const { common } = text;

type From = VmSource['from'];
const FROM: readonly { readonly value: From; readonly label: string }[] = [
  { value: 'template', label: words.linkedCloneTemplateAtOnce },
  { value: 'image', label: words.linkedCloneImage },
  { value: 'blank', label: words.emptyDisk },
  { value: 'disk', label: words.freeDisk },
  { value: 'none', label: words.noDisk },
];
const GIB = 2 ** 30;

export function VmCreateDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [from, setFrom] = useState<From>('template');
  const [diskId, setDiskId] = useState('');
  const [sizeGib, setSizeGib] = useState('10');
  const [cpus, setCpus] = useState('1');
  const [memoryMib, setMemoryMib] = useState('512');
  const [disc, setDisc] = useState('');
  const [hasNet, setNet] = useState(false);
  const [doesStart, setDoesStart] = useState(true);
  const [isOpen, setOpen] = useState(false);
  const [advanced, setAdvanced] = useState(ADVANCED);
  const [description, setDescription] = useState('');
  const [hostId, setHostId] = useState('');
  const kind = from === 'image' || from === 'disk' ? from : 'template';
  const listed = useQuery(apiQuery(listDisks, { query: { kind, limit: 500 } })).data?.items ?? [];
  const disks = from === 'disk' ? listed.filter(({ vm, owner }) => vm === null && owner === null) : listed;
  const chosen = disks.find((disk) => disk.id === diskId) ?? disks[0];
  const hosts = useQuery(apiQuery(listHosts, { query: { limit: 500 } })).data?.items ?? [];
  const host = hosts.find(({ id }) => id === hostId) ?? hosts[0];

  const source = (): VmSource | undefined => {
    if (from === 'none') return { from };
    if (from === 'blank') return { from, sizeBytes: Math.round(Number(sizeGib) * GIB) };
    if (chosen === undefined) return undefined;
    if (from === 'template') return { from, templateId: chosen.id };
    return from === 'image' ? { from, imageId: chosen.id } : { from, diskId: chosen.id };
  };
  const create = async () => {
    const made = source();
    if (made === undefined) return;
    const { bus, ...hardware } = advanced;
    await client.call(createVm, {
      body: {
        name: name.trim(),
        description,
        source: made,
        bus,
        hardware: {
          ...hardware,
          vcpus: Number(cpus),
          memoryMiB: Number(memoryMib),
          nics: hasNet ? [{ kind: 'user' }] : [],
        },
        cdImageId: disc === '' ? null : disc,
        wanted: doesStart ? 'running' : 'stopped',
        ...(host === undefined ? {} : { hostId: host.id }),
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
      <TextField
        label={common.name}
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={VM_LIMITS.nameChars}
      />
      <SelectField label={words.firstDisk} value={from} options={FROM} onChange={setFrom} />
      {from === 'blank' && (
        <TextField label={words.sizeGib} type="number" min={1} max={2040} value={sizeGib} onChange={setSizeGib} />
      )}
      {(from === 'template' || from === 'image' || from === 'disk') && (
        <SelectField
          label={words[from]}
          value={chosen?.id ?? ''}
          options={
            disks.length === 0
              ? [{ value: '', label: words.thereNoYet(words.kinds[from]) }]
              : disks.map((disk) => ({ value: disk.id, label: disk.name }))
          }
          onChange={setDiskId}
        />
      )}
      <div className="oriel-form-pair">
        <TextField label={words.cpus} type="number" min={1} max={VM_LIMITS.vcpus} value={cpus} onChange={setCpus} />
        <TextField
          label={words.memoryMib}
          type="number"
          min={VM_LIMITS.minMemoryMiB}
          value={memoryMib}
          onChange={setMemoryMib}
        />
      </div>
      <DiscField value={disc} onChange={setDisc} />
      <Checkbox
        id="vm-net"
        label={words.network}
        description={words.behindHost}
        isChecked={hasNet}
        onChange={(_, isOn) => setNet(isOn)}
      />
      <ExpandableSection
        toggleText={words.advanced}
        isExpanded={isOpen}
        onToggle={(_, isExpanded) => setOpen(isExpanded)}
        className="oriel-advanced"
      >
        <div className="oriel-advanced__fields">
          <HardwareFields value={advanced} onChange={setAdvanced} />
          {1 < hosts.length && (
            <SelectField
              label={words.host}
              value={host?.id ?? ''}
              options={hosts.map((one) => ({ value: one.id, label: one.name }))}
              onChange={setHostId}
            />
          )}
          <FormGroup label={words.description} fieldId="vm-create-description">
            <TextArea
              id="vm-create-description"
              rows={2}
              maxLength={VM_LIMITS.descriptionChars}
              value={description}
              onChange={(_, value) => setDescription(value)}
            />
          </FormGroup>
        </div>
      </ExpandableSection>
      <Switch id="vm-start" label={words.start} isChecked={doesStart} onChange={(_, isOn) => setDoesStart(isOn)} />
    </FormDialog>
  );
}
