/** What can be done with a VM: power, opening, deleting. */
import { useState } from 'react';
import { useNavigate } from 'react-router';
import type { Me } from '../../../../api/auth.ts';
import type { Vm } from '../../../../api/vm.ts';
import { POWER_VERBS, type PowerVerb, runPower } from '../../api/power.ts';
import { holds } from '../../api/use-me.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { useAction } from '../../shell/form/use-action.ts';
import { RowMenu } from '../../shell/list/row-menu.tsx';
import { text } from '../../text/text.ts';
import { VmCdDialog } from './vm-cd-dialog.tsx';
import { VmDeleteDialog } from './vm-delete-dialog.tsx';
import { VmEditDialog } from './vm-edit-dialog.tsx';
import { VmRulesDialog } from './vm-rules-dialog.tsx';

const words = text.console.vms.vmMenu;
const { common } = text;

export function VmMenu({ vm, me }: { readonly vm: Vm; readonly me: Me }) {
  const [asking, setAsking] = useState<PowerVerb>();
  const [dialog, setDialog] = useState<'edit' | 'cd' | 'rules' | 'delete'>();
  const close = () => setDialog(undefined);
  const navigate = useNavigate();
  const act = useAction('vm.', 'desktop.');
  const run = (verb: PowerVerb) => act(`${vm.name}: ${verb.done}`, () => runPower(vm.id, verb.id));
  const power = holds(me, 'power')
    ? POWER_VERBS.filter(({ from }) => from.includes(vm.state)).map((verb) => ({
        key: verb.id,
        label: verb.label,
        isDanger: verb.isHarsh,
        onSelect: () => (verb.isHarsh ? setAsking(verb) : void run(verb)),
      }))
    : [];
  const open = {
    key: 'open',
    label: words.open,
    onSelect: () => void navigate(`/desktops/${encodeURIComponent(vm.id)}`),
  };
  const edit = { key: 'edit', label: words.change, onSelect: () => setDialog('edit') };
  const cd = { key: 'cd', label: words.cdDrive, onSelect: () => setDialog('cd') };
  const rules = { key: 'rules', label: words.sessionRules, onSelect: () => setDialog('rules') };
  const remove = { key: 'delete', label: common.delete, isDanger: true, onSelect: () => setDialog('delete') };
  return (
    <>
      <RowMenu
        name={vm.name}
        actions={[
          ...(holds(me, 'open') ? [open] : []),
          ...power,
          ...(holds(me, 'manage') ? [edit, cd, rules, remove] : []),
        ]}
      />
      {asking !== undefined && (
        <FormDialog
          title={`${asking.label}: ${vm.name}?`}
          submitLabel={asking.label}
          isDanger
          onSubmit={() => run(asking)}
          onClose={() => setAsking(undefined)}
        >
          <p>{words.whatNotSavedInsideMachine}</p>
        </FormDialog>
      )}
      {dialog === 'edit' && <VmEditDialog vmId={vm.id} onClose={close} />}
      {dialog === 'cd' && <VmCdDialog vm={vm} onClose={close} />}
      {dialog === 'rules' && <VmRulesDialog vmId={vm.id} onClose={close} />}
      {dialog === 'delete' && <VmDeleteDialog vm={vm} onClose={close} />}
    </>
  );
}
