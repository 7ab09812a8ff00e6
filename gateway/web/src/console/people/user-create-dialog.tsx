/** A new local account. */
import { useState } from 'react';
import { AUTH_LIMITS } from '../../../../api/auth.ts';
import { createUser } from '../../../../api/people.ts';
import type { Role } from '../../../../api/rights.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';
import { RoleChecks } from './role-checks.tsx';

const words = text.console.people.userCreateDialog;
const { common } = text;

export function UserCreateDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [displayName, setDisplayName] = useState('');
  const [password, setPassword] = useState('');
  const [roles, setRoles] = useState<readonly Role[]>(['user']);
  const create = async () => {
    await client.call(createUser, {
      body: {
        name: name.trim(),
        roles: [...roles],
        ...(displayName.trim() === '' ? {} : { displayName: displayName.trim() }),
        ...(password === '' ? {} : { password }),
      },
      idempotencyKey: crypto.randomUUID(),
    });
    void refetch(['user.']);
  };
  return (
    <FormDialog
      title={words.newUser}
      submitLabel={common.make}
      isReady={name.trim() !== ''}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField
        label={common.name}
        hint={words.whatTheyTypeSignLower}
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={AUTH_LIMITS.nameChars}
      />
      <TextField label={words.fullName} value={displayName} onChange={setDisplayName} maxLength={128} />
      <TextField
        label={common.password}
        hint={words.atLeastCharactersWithoutOne(AUTH_LIMITS.passwordMinChars)}
        type="password"
        autoComplete="new-password"
        value={password}
        onChange={setPassword}
      />
      <RoleChecks roles={roles} onChange={setRoles} />
    </FormDialog>
  );
}
