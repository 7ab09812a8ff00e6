/** The roles of an account. */
import { useState } from 'react';
import { editUser, type User } from '../../../../api/people.ts';
import type { Role } from '../../../../api/rights.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';
import { RoleChecks } from './role-checks.tsx';

const words = text.console.people.rolesDialog;
const { common } = text;

export function RolesDialog({ user, onClose }: { readonly user: User; readonly onClose: () => void }) {
  const [roles, setRoles] = useState<readonly Role[]>(user.roles);
  const save = async () => {
    await client.call(editUser, { params: { userId: user.id }, body: { roles: [...roles] } });
    void refetch(['user.']);
  };
  return (
    <FormDialog title={words.roles(user.name)} submitLabel={common.save} onSubmit={save} onClose={onClose}>
      <RoleChecks roles={roles} onChange={setRoles} />
    </FormDialog>
  );
}
