/** The fields of the rules that one layer lays down for sessions. */
import { Alert } from '@patternfly/react-core';
import type { Clipboard } from '../../../../api/session-rules.ts';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { text } from '../../text/text.ts';
import type { RulesForm } from './rules-form.ts';

const words = text.console.policies.rulesFields;

const CLIPBOARDS: readonly { readonly value: Clipboard | ''; readonly label: string }[] = [
  { value: '', label: words.notHere },
  { value: 'both', label: words.bothWays },
  { value: 'in', label: words.onlyDesktop },
  { value: 'out', label: words.onlyFromDesktop },
  { value: 'off', label: words.off },
];

interface RulesFieldsProps {
  readonly form: RulesForm;
  readonly onChange: (part: Partial<RulesForm>) => void;
}

export function RulesFields({ form, onChange }: RulesFieldsProps) {
  return (
    <>
      <SelectField
        label={words.clipboard}
        value={form.clipboard}
        options={CLIPBOARDS}
        onChange={(clipboard) => onChange({ clipboard })}
      />
      <div className="oriel-form-pair">
        <TextField
          label={words.idleLimitMinutes}
          type="number"
          min={0}
          hint={words.emptyOrNever}
          value={form.idleMinutes}
          onChange={(idleMinutes) => onChange({ idleMinutes })}
        />
        <TextField
          label={words.timeLimitHours}
          type="number"
          min={0}
          hint={words.emptyOrNever}
          value={form.absoluteHours}
          onChange={(absoluteHours) => onChange({ absoluteHours })}
        />
      </div>
      <TextField
        label={words.bandwidthSessionMbitS}
        type="number"
        min={0}
        hint={words.emptyOrNoLimit}
        value={form.mbit}
        onChange={(mbit) => onChange({ mbit })}
      />
      <TextField
        label={words.refusedKeys}
        hint={words.separatedByCommasSuchAs}
        value={form.refusedKeys}
        onChange={(refusedKeys) => onChange({ refusedKeys })}
      />
      <Alert component="p" isInline isPlain variant="info" title={words.theyHoldSessionsOpenedFrom} />
    </>
  );
}
