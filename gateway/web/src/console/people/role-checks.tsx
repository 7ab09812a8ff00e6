/** The roles to tick, each with what it means. */
import { Checkbox, FormGroup } from '@patternfly/react-core';
import { ROLES, type Role } from '../../../../api/rights.ts';

const MEANING: Readonly<Record<Role, string>> = {
  user: 'Opens what is assigned to them',
  operator: 'Sees and opens every desktop, starts and stops, watches sessions',
  admin: 'Everything',
  backup: 'Backs up and restores every desktop',
};

interface RoleChecksProps {
  readonly roles: readonly Role[];
  readonly onChange: (roles: readonly Role[]) => void;
}

export function RoleChecks({ roles, onChange }: RoleChecksProps) {
  return (
    <FormGroup role="group" label="Roles" fieldId="roles">
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
