/** A new local account. */
import { useState } from 'react';
import { AUTH_LIMITS } from '../../../../api/auth.ts';
import { createUser } from '../../../../api/people.ts';
import type { Role } from '../../../../api/rights.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { RoleChecks } from './role-checks.tsx';

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
    <FormDialog title="New user" submitLabel="Make it" isReady={name.trim() !== ''} onSubmit={create} onClose={onClose}>
      <TextField
        label="Name"
        hint="What they type to sign in: lower-case letters, digits and . _ - @"
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={AUTH_LIMITS.nameChars}
      />
      <TextField label="Full name" value={displayName} onChange={setDisplayName} maxLength={128} />
      <TextField
        label="Password"
        hint={`At least ${AUTH_LIMITS.passwordMinChars} characters. Without one, give them a sign-in link.`}
        type="password"
        autoComplete="new-password"
        value={password}
        onChange={setPassword}
      />
      <RoleChecks roles={roles} onChange={setRoles} />
    </FormDialog>
  );
}
