/** What an admin lays down for the sessions on one desktop, and what the layers come to there. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { getDesktopPolicy } from '../../../../api/policy.ts';
import { editVm, type Vm } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';
import { DecidedList } from '../policies/decided-list.tsx';
import { RulesFields } from '../policies/rules-fields.tsx';
import { formOf, type RulesForm, rulesOf } from '../policies/rules-form.ts';
import { FreshVm } from './fresh-vm.tsx';

const words = text.console.vms.vmRulesDialog;
const { common } = text;

interface VmRulesDialogProps {
  readonly vmId: string;
  readonly onClose: () => void;
}

export function VmRulesDialog({ vmId, onClose }: VmRulesDialogProps) {
  return <FreshVm vmId={vmId}>{(vm, etag) => <Fields vm={vm} etag={etag} onClose={onClose} />}</FreshVm>;
}

interface FieldsProps {
  readonly vm: Vm;
  readonly etag: string | undefined;
  readonly onClose: () => void;
}

function Fields({ vm, etag, onClose }: FieldsProps) {
  const [form, setForm] = useState(() => formOf(vm.sessionRules));
  const set = (part: Partial<RulesForm>) => setForm((now) => ({ ...now, ...part }));
  const decided = useQuery(apiQuery(getDesktopPolicy, { params: { desktopId: vm.id } }));
  const save = async () => {
    const body = { sessionRules: rulesOf(form, vm.sessionRules) };
    await client.call(editVm, { params: { vmId: vm.id }, body, ifMatch: etag });
    void refetch(['vm.', 'desktop.']);
  };
  return (
    <FormDialog title={words.rulesSessions(vm.name)} submitLabel={common.save} onSubmit={save} onClose={onClose}>
      <RulesFields form={form} onChange={set} />
      {decided.data !== undefined && <DecidedList shown={decided.data} />}
    </FormDialog>
  );
}
