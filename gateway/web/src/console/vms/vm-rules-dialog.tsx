/** What an admin lays down for the sessions on one desktop. */
import { Alert } from '@patternfly/react-core';
import { useState } from 'react';
import type { Clipboard } from '../../../../api/session-rules.ts';
import { editVm, type Vm } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { FreshVm } from './fresh-vm.tsx';
import { formOf, type RulesForm, rulesOf } from './rules-form.ts';

interface VmRulesDialogProps {
  readonly vmId: string;
  readonly onClose: () => void;
}

export function VmRulesDialog({ vmId, onClose }: VmRulesDialogProps) {
  return <FreshVm vmId={vmId}>{(vm, etag) => <Fields vm={vm} etag={etag} onClose={onClose} />}</FreshVm>;
}

const CLIPBOARDS: readonly { readonly value: Clipboard | ''; readonly label: string }[] = [
  { value: '', label: 'Both ways (default)' },
  { value: 'both', label: 'Both ways' },
  { value: 'in', label: 'Only to the desktop' },
  { value: 'out', label: 'Only from the desktop' },
  { value: 'off', label: 'Off' },
];

interface FieldsProps {
  readonly vm: Vm;
  readonly etag: string | undefined;
  readonly onClose: () => void;
}

function Fields({ vm, etag, onClose }: FieldsProps) {
  const [form, setForm] = useState(() => formOf(vm.sessionRules));
  const set = (part: Partial<RulesForm>) => setForm((now) => ({ ...now, ...part }));
  const save = async () => {
    const body = { sessionRules: rulesOf(form, vm.sessionRules) };
    await client.call(editVm, { params: { vmId: vm.id }, body, ifMatch: etag });
    void refetch(['vm.']);
  };
  return (
    <FormDialog title={`Rules for sessions on ${vm.name}`} submitLabel="Save" onSubmit={save} onClose={onClose}>
      <SelectField
        label="Clipboard"
        value={form.clipboard}
        options={CLIPBOARDS}
        onChange={(clipboard) => set({ clipboard })}
      />
      <div className="oriel-form-pair">
        <TextField
          label="Idle limit in minutes"
          type="number"
          min={0}
          hint="Empty: 4 hours. 0: never."
          value={form.idleMinutes}
          onChange={(idleMinutes) => set({ idleMinutes })}
        />
        <TextField
          label="Time limit in hours"
          type="number"
          min={0}
          hint="Empty: 24. 0: never."
          value={form.absoluteHours}
          onChange={(absoluteHours) => set({ absoluteHours })}
        />
      </div>
      <TextField
        label="Bandwidth of a session in Mbit/s"
        type="number"
        min={0}
        hint="Empty: no limit."
        value={form.mbit}
        onChange={(mbit) => set({ mbit })}
      />
      <TextField
        label="Refused keys"
        hint="Separated by commas, such as Control+Alt+Delete, Super+l"
        value={form.refusedKeys}
        onChange={(refusedKeys) => set({ refusedKeys })}
      />
      <Alert
        component="p"
        isInline
        isPlain
        variant="info"
        title="They hold for sessions that are opened from now on."
      />
    </FormDialog>
  );
}
