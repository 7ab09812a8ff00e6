/** Accounts. */
import { Button, Label, SearchInput } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listUsers, type User } from '../../../../api/people.ts';
import { apiPages } from '../../api/query.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { UserCreateDialog } from './user-create-dialog.tsx';
import { UserMenu } from './user-menu.tsx';

const COLUMNS: readonly Column<User>[] = [
  {
    key: 'name',
    label: 'Name',
    isLong: true,
    cell: ({ name, displayName }) => (
      <>
        {name}
        {displayName !== name && <div className="oriel-subtle">{displayName}</div>}
      </>
    ),
  },
  { key: 'roles', label: 'Roles', cell: ({ roles }) => roles.join(', ') || '–' },
  { key: 'groups', label: 'Groups', cell: ({ groups }) => groups.map(({ name }) => name).join(', ') || '–' },
  { key: 'source', label: 'From', cell: ({ source }) => source },
  { key: 'factor', label: 'Second factor', cell: secondFactor },
  { key: 'state', label: 'State', cell: (user) => <UserState user={user} /> },
];

export function UsersTab() {
  const [search, setSearch] = useState('');
  const [isCreating, setCreating] = useState(false);
  const query = useInfiniteQuery(apiPages(listUsers, { query: search === '' ? {} : { search } }));
  return (
    <>
      <div className="oriel-list__filters">
        <SearchInput
          aria-label="Search users"
          placeholder="Name"
          value={search}
          onChange={(_, value) => setSearch(value)}
          onClear={() => setSearch('')}
        />
        <Button onClick={() => setCreating(true)}>New user</Button>
      </div>
      <PagedTable
        query={query}
        label="Users"
        columns={COLUMNS}
        empty="No such user"
        actions={(user) => <UserMenu user={user} />}
      />
      {isCreating && <UserCreateDialog onClose={() => setCreating(false)} />}
    </>
  );
}

function secondFactor({ hasTotp, passkeys }: User): string {
  const parts = [
    ...(hasTotp ? ['codes'] : []),
    ...(0 < passkeys ? [`${passkeys} passkey${passkeys === 1 ? '' : 's'}`] : []),
  ];
  return parts.join(', ') || '–';
}

function UserState({ user }: { readonly user: User }) {
  const isLocked = user.lockedUntil !== null && Date.now() < Date.parse(user.lockedUntil);
  const [word, color] = user.isDisabled
    ? (['Disabled', 'red'] as const)
    : isLocked
      ? (['Locked out', 'orange'] as const)
      : (['Active', 'green'] as const);
  return (
    <Label isCompact color={color}>
      {word}
    </Label>
  );
}
