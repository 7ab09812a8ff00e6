/** The roles to tick, each with what it means. */
import { Checkbox, FormGroup } from '@patternfly/react-core';
import { ROLES, type Role } from '../../../../api/rights.ts';
import { text } from '../../text/text.ts';

const words = text.console.people.roleChecks;

const MEANING: Readonly<Record<Role, string>> = {
  user: words.opensWhatAssignedThem,
  operator: words.seesOpensEveryDesktopStarts,
  admin: words.everything,
  backup: words.backsUpRestoresEveryDesktop,
};

interface RoleChecksProps {
  readonly roles: readonly Role[];
  readonly onChange: (roles: readonly Role[]) => void;
}

export function RoleChecks({ roles, onChange }: RoleChecksProps) {
  return (
    <FormGroup role="group" label={words.roles} fieldId="roles">
      {ROLES.map((role) => (
        <Checkbox
          key={role}
          id={`role-${role}`}
          label={role}
          description={MEANING[role]}
          isChecked={roles.includes(role)}
          onChange={(_, isOn) => onChange(isOn ? [...roles, role] : roles.filter((each) => each !== role))}
        />
      ))}
    </FormGroup>
  );
}
