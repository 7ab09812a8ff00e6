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
import { text } from '../../text/text.ts';
import { FreshVm } from './fresh-vm.tsx';
import { formOf, type RulesForm, rulesOf } from './rules-form.ts';

const words = text.console.vms.vmRulesDialog;
const { common } = text;

interface VmRulesDialogProps {
  readonly vmId: string;
  readonly onClose: () => void;
}

export function VmRulesDialog({ vmId, onClose }: VmRulesDialogProps) {
  return <FreshVm vmId={vmId}>{(vm, etag) => <Fields vm={vm} etag={etag} onClose={onClose} />}</FreshVm>;
}

const CLIPBOARDS: readonly { readonly value: Clipboard | ''; readonly label: string }[] = [
  { value: '', label: words.bothWaysDefault },
  { value: 'both', label: words.bothWays },
  { value: 'in', label: words.onlyDesktop },
  { value: 'out', label: words.onlyFromDesktop },
  { value: 'off', label: words.off },
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
    <FormDialog title={words.rulesSessions(vm.name)} submitLabel={common.save} onSubmit={save} onClose={onClose}>
      <SelectField
        label={words.clipboard}
        value={form.clipboard}
        options={CLIPBOARDS}
        onChange={(clipboard) => set({ clipboard })}
      />
      <div className="oriel-form-pair">
        <TextField
          label={words.idleLimitMinutes}
          type="number"
          min={0}
          hint="Empty: 4 hours. 0: never."
          value={form.idleMinutes}
          onChange={(idleMinutes) => set({ idleMinutes })}
        />
        <TextField
          label={words.timeLimitHours}
          type="number"
          min={0}
          hint="Empty: 24. 0: never."
          value={form.absoluteHours}
          onChange={(absoluteHours) => set({ absoluteHours })}
        />
      </div>
      <TextField
        label={words.bandwidthSessionMbitS}
        type="number"
        min={0}
        hint={words.emptyNoLimit}
        value={form.mbit}
        onChange={(mbit) => set({ mbit })}
      />
      <TextField
        label={words.refusedKeys}
        hint={words.separatedByCommasSuchAs}
        value={form.refusedKeys}
        onChange={(refusedKeys) => set({ refusedKeys })}
      />
      <Alert component="p" isInline isPlain variant="info" title={words.theyHoldSessionsOpenedFrom} />
    </FormDialog>
  );
}
