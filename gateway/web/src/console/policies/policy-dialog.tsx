/** What the gateway, or a group, lays down for sessions: a dialog each. A desktop's is among its VM's (vm-rules-dialog.tsx). */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Group } from '../../../../api/people.ts';
import { getGatewayPolicy, getGroupPolicy, setGatewayPolicy, setGroupPolicy } from '../../../../api/policy.ts';
import type { SessionRules } from '../../../../api/session-rules.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';
import { RulesFields } from './rules-fields.tsx';
import { formOf, type RulesForm, rulesOf } from './rules-form.ts';

const words = text.console.policies.policyDialog;
const { common } = text;

interface GatewayPolicyDialogProps {
  readonly onClose: () => void;
}

export function GatewayPolicyDialog({ onClose }: GatewayPolicyDialogProps) {
  const query = useQuery({ ...apiQuery(getGatewayPolicy, {}), gcTime: 0 });
  const save = (rules: SessionRules) => client.call(setGatewayPolicy, { body: { rules } });
  if (query.data === undefined) return null;
  return (
    <LayerDialog
      title={words.ofEverybody}
      note={words.belowAll}
      rules={query.data.rules}
      save={save}
      onClose={onClose}
    />
  );
}

interface GroupPolicyDialogProps {
  readonly group: Group;
  readonly onClose: () => void;
}

export function GroupPolicyDialog({ group, onClose }: GroupPolicyDialogProps) {
  const params = { groupId: group.id };
  const query = useQuery({ ...apiQuery(getGroupPolicy, { params }), gcTime: 0 });
  const save = (rules: SessionRules) => client.call(setGroupPolicy, { params, body: { rules } });
  if (query.data === undefined) return null;
  return (
    <LayerDialog
      title={words.ofGroup(group.name)}
      note={words.aboveGateway}
      rules={query.data.rules}
      save={save}
      onClose={onClose}
    />
  );
}

interface LayerDialogProps {
  readonly title: string;
  /** Where it stands among the layers. */
  readonly note: string;
  readonly rules: SessionRules;
  readonly save: (rules: SessionRules) => Promise<unknown>;
  readonly onClose: () => void;
}

function LayerDialog({ title, note, rules, save, onClose }: LayerDialogProps) {
  const [form, setForm] = useState(() => formOf(rules));
  const set = (part: Partial<RulesForm>) => setForm((now) => ({ ...now, ...part }));
  const submit = async () => {
    await save(rulesOf(form, rules));
    void refetch(['policy.', 'group.', 'desktop.']);
  };
  return (
    <FormDialog title={title} submitLabel={common.save} onSubmit={submit} onClose={onClose}>
      <p>{note}</p>
      <RulesFields form={form} onChange={set} />
    </FormDialog>
  );
}
