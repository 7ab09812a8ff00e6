/** Giving a user or a group rights on a desktop. */
import { Checkbox, FormGroup } from '@patternfly/react-core';
import { useState } from 'react';
import { createAssignment } from '../../../../api/people.ts';
import { DESKTOP_RIGHTS, type DesktopRight } from '../../../../api/rights.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';

const words = text.console.people.assignDialog;

interface Named {
  readonly id: string;
  readonly name: string;
}
interface AssignDialogProps {
  readonly desktops: readonly Named[];
  readonly users: readonly Named[];
  readonly groups: readonly Named[];
  readonly onClose: () => void;
}

const MEANING: Readonly<Record<DesktopRight, string>> = {
  see: words.seeListed,
  view: words.watchItsScreen,
  history: words.seeWhatOthersTypedIts,
  open: words.use,
  power: words.startStop,
  manage: words.changeOrRemove,
  backup: words.backUp,
  restore: words.restore,
};

export function AssignDialog({ desktops, users, groups, onClose }: AssignDialogProps) {
  const [desktopId, setDesktopId] = useState(desktops[0]?.id ?? '');
  const who = [
    ...groups.map(({ id, name }) => ({ value: `group ${id}`, label: words.group(name) })),
    ...users.map(({ id, name }) => ({ value: `user ${id}`, label: name })),
  ];
  const [chosen, setChosen] = useState(who[0]?.value ?? '');
  const [rights, setRights] = useState<readonly DesktopRight[]>(['open', 'power']);
  const assign = async () => {
    const [kind, id = ''] = chosen.split(' ');
    await client.call(createAssignment, {
      body: { desktopId, rights: [...rights], ...(kind === 'group' ? { groupId: id } : { userId: id }) },
      idempotencyKey: crypto.randomUUID(),
    });
    void refetch(['assignment.', 'desktop.']);
  };
  return (
    <FormDialog
      title={words.assignDesktop}
      submitLabel={words.assign}
      isReady={desktopId !== '' && chosen !== '' && 0 < rights.length}
      onSubmit={assign}
      onClose={onClose}
    >
      <SelectField label={words.to} value={chosen} options={who} onChange={setChosen} />
      <SelectField
        label={words.desktop}
        value={desktopId}
        options={desktops.map(({ id, name }) => ({ value: id, label: name }))}
        onChange={setDesktopId}
      />
      <FormGroup role="group" label={words.theyMay} fieldId="assign-rights">
        {DESKTOP_RIGHTS.map((right) => (
          <Checkbox
            key={right}
            id={`assign-${right}`}
            label={MEANING[right]}
            isChecked={rights.includes(right)}
            onChange={(_, isOn) => setRights(isOn ? [...rights, right] : rights.filter((each) => each !== right))}
          />
        ))}
      </FormGroup>
    </FormDialog>
  );
}
